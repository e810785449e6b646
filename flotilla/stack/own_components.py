"""The user's own components that belong to a workload, by the names of their entry points (`flotilla.components`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from flotilla.karmada.names import is_dns_label
from flotilla.plugins import Group, plugins
from flotilla.stack.problems import ConfigModel, Problem, refuse


def _use(value: str) -> str:
    if not is_dns_label(value):
        raise refuse(
            "must be a DNS label (lower-case letters, digits, '-'), as the component's entry point is called",
            consequence="it becomes a part of a resource's name",
            remedy="correct it, or rename the entry point",
        )
    return value


class OwnComponent(ConfigModel):
    """A component of this project or of an installed package. Its name alone stands for `use`. Not with `policies`."""

    use: Annotated[str, AfterValidator(_use)] = Field(description="Name of the component's entry point.")
    args: dict[str, Any] = Field(
        default_factory=dict,
        repr=False,
        description="Its arguments, in the form that the component defines. No secrets here.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value


def once_each(value: tuple[OwnComponent, ...]) -> tuple[OwnComponent, ...]:
    """Refuse a component that a workload uses twice: its resources would have the same names."""
    names = [component.use for component in value]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise refuse(
            f"uses {twice!r} more than once",
            consequence="its resources would have the same names",
            remedy="use it once; let its arguments be a list",
        )
    return value


def check_components(used: list[tuple[int, tuple[OwnComponent, ...]]], project: Path) -> list[Problem]:
    """Check that a component exists for each name that workloads use; no component is imported.

    Args:
        used: the components of each workload, by the workload's position.
        project: the project's folder.

    Raises:
        FlotillaError: the project's `pyproject.toml` can't be read, or two components have one name.
    """
    if not any(components for _, components in used):
        return []
    known = plugins(Group.COMPONENTS, project)
    names = ", ".join(known) or "there are none"
    return [
        Problem(
            f"workloads[{index}].components[{place}].use",
            "is not a component of this project or of an installed package",
            "it could not be created",
            f'register it in pyproject.toml, [project.entry-points."{Group.COMPONENTS}"], or use one of: {names}',
            f'"{component.use}"',
        )
        for index, components in used
        for place, component in enumerate(components)
        if component.use not in known
    ]
