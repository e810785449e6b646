"""The base of resources that create nothing and only store their inputs."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CreateResult, ResourceProvider

from .whole_numbers import whole_numbers


@whole_numbers
class KeptInputsProvider(ResourceProvider):
    """Creates nothing: stores its inputs for a later operation."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Store the inputs."""
        return CreateResult(id_=str(props["workload"]), outs=props)
