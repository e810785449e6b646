"""Extensions that workloads use by the names of their entry points: the user's own components and sources."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from flotilla.karmada.names import is_dns_label
from flotilla.plugins import Group, Plugin, plugins
from flotilla.stack.problems import ConfigModel, Problem, refuse


def _use(value: str) -> str:
    if not is_dns_label(value):
        raise refuse(
            "must be a DNS label (lower-case letters, digits, '-'), as the extension's entry point is called",
            consequence="it becomes a part of a resource's name",
            remedy="correct it, or rename the entry point",
        )
    return value


class _Used(ConfigModel):
    use: Annotated[str, AfterValidator(_use)] = Field(description="Name of its entry point.")
    args: dict[str, Any] = Field(
        default_factory=dict, repr=False, description="Its arguments, in the form that it defines. No secrets here."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value


class OwnComponent(_Used):
    """A component of this project or of an installed package. Its name alone stands for `use`. Not with `policies`."""


class OwnSource(_Used):
    """A source of this project or of an installed package. It returns the objects. Its name alone stands for `use`."""


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
    return [
        unknown_extension(f"workloads[{index}].components[{place}].use", component.use, "component", known)
        for index, components in used
        for place, component in enumerate(components)
        if component.use not in known
    ]


def unknown_extension(path: str, use: str, what: str, known: dict[str, Plugin]) -> Problem:
    """Return the problem that no extension has a name.

    Args:
        path: the key of the stack file that has the name.
        use: the name.
        what: component or source.
        known: the extensions of that kind, by name.
    """
    group = Group.COMPONENTS if what == "component" else Group.SOURCES
    names = ", ".join(known) or "there are none"
    return Problem(
        path,
        f"is not a {what} of this project or of an installed package",
        "it could not be created" if group is Group.COMPONENTS else "there would be nothing to run",
        f'register it in pyproject.toml, [project.entry-points."{group}"], or use one of: {names}',
        f'"{use}"',
    )
