"""What the resources that make nothing when they are created have in common."""

from __future__ import annotations

from typing import Any

from pulumi.dynamic import CreateResult, ResourceProvider

from .whole_numbers import whole_numbers


@whole_numbers
class KeptInputsProvider(ResourceProvider):
    """Makes nothing: keeps its inputs, by which something is done later."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep the inputs."""
        return CreateResult(id_=str(props["workload"]), outs=props)
