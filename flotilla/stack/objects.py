"""Objects of the control plane itself: Flotilla declares them there and doesn't propagate them to members."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from flotilla.stack.problems import ConfigModel, refuse
from flotilla.stack.workloads import Name


def _not_empty(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise refuse("must name at least one file", consequence="it would declare nothing", remedy="add a file")
    return value


class ObjectGroup(ConfigModel):
    """A group of objects that have their effect in Karmada's control plane. They are sent to no member.

    Examples are autoscalers, quotas, interpreters and rights.
    """

    name: Name = Field(description="The name of the group, which plans show.")
    manifests: Annotated[tuple[str, ...], AfterValidator(_not_empty)] = Field(
        description="Files, folders and patterns (`own/**/*.yaml`), relative to the project's folder."
    )
    protect: bool = Field(default=False, description="Refuse to delete its objects while this is true.")
