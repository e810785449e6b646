"""The other URNs that a resource may have in the state: by its own aliases, and by those of its parent.

They are derived from the SDK's request as in Pulumi's engine (generateAliases in pkg/resource/deploy).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flotilla.state.urns import make_urn, name_of, own_type


@dataclass(frozen=True)
class Alias:
    """One alias: a complete URN, or the parts that differ from the resource's own; None means that a part is equal."""

    urn: str = ""
    name: str | None = None
    type: str | None = None
    stack: str | None = None
    project: str | None = None
    parent: str | None = None
    """A URN; empty for none."""


def aliases_of(request: Any) -> tuple[Alias, ...]:
    """Return the aliases of a RegisterResourceRequest, in the format of newer and of older SDKs."""
    found = [Alias(urn=urn) for urn in request.aliasURNs]
    for alias in request.aliases:
        if not alias.HasField("spec"):
            found.append(Alias(urn=alias.urn))
            continue
        spec = alias.spec
        parent = "" if spec.noParent else spec.parentUrn or None
        found.append(Alias("", spec.name or None, spec.type or None, spec.stack or None, spec.project or None, parent))
    return tuple(found)


def resolve(aliases: Iterable[Alias], urn: str, parent: str, parents_aliases: Iterable[str]) -> tuple[str, ...]:
    """Return the URNs of aliases, in order of precedence.

    Args:
        aliases: the resource's own aliases.
        urn: the resource's URN.
        parent: its parent's URN; empty for none.
        parents_aliases: the URNs of the parent's aliases.
    """
    own = [_urn(alias, urn, parent) for alias in aliases]
    result = dict.fromkeys(own)
    for other in parents_aliases:
        for child in (urn, *own):
            result[_under(child, name_of(parent), other)] = None
    result.pop(urn, None)
    return tuple(result)


def _urn(alias: Alias, urn: str, parent: str) -> str:
    if alias.urn:
        return alias.urn
    _, _, stack_and_project = urn.partition("urn:pulumi:")
    stack, project = stack_and_project.split("::")[:2]
    return make_urn(
        alias.stack or stack,
        alias.project or project,
        parent if alias.parent is None else alias.parent,
        alias.type or own_type(urn),
        alias.name or name_of(urn),
    )


def _under(child: str, parent_name: str, other_parent: str) -> str:
    """Return a child's URN under another parent; if its name begins with the parent's name, that part is replaced."""
    name = name_of(child)
    if parent_name and name.startswith(parent_name):
        name = name_of(other_parent) + name.removeprefix(parent_name)
    stack, project = other_parent.removeprefix("urn:pulumi:").split("::")[:2]
    return make_urn(stack, project, other_parent, own_type(child), name)
