"""Other stacks of the same project, and checks of what a stack's file uses of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.helm import HelmControlPlane
from flotilla.stack.members import Member
from flotilla.stack.parsing import parse, parse_list
from flotilla.stack.problems import Problem
from flotilla.stack.stack_names import is_stack_name
from flotilla.stack.stackfile import fleet_sections, placeholders


class OtherStacks:
    """The other stacks of the same project that a stack's file uses; each file is read once."""

    def __init__(self, base: Path | None, problems: list[Problem]) -> None:
        """Store the project's folder (None: no other stack is read) and the list to which problems are added."""
        self._base = base
        self._problems = problems
        self._files: dict[str, dict[str, Any] | FlotillaError] = {}
        """The sections by the stack's name, or the error that occurred."""

    def sections(self, stack: str | None, path: str) -> dict[str, Any]:
        """Return the sections of a stack's file; a missing file is a problem at `path`."""
        if not stack or self._base is None:
            return {}
        if not is_stack_name(stack):
            rule = "is not a stack name: letters, digits, '-', '_' and '.'"
            self._problems.append(Problem(path, rule, "nothing could be taken from it", "name a stack of this project"))
            return {}
        if stack not in self._files:
            self._files[stack] = _read(self._base / "stacks" / f"Pulumi.{stack}.yaml")
        found = self._files[stack]
        if isinstance(found, FlotillaError):
            self._problems.append(
                Problem(path, found.message, "nothing could be taken from it", "name a stack of this project", stack)
            )
            return {}
        return found

    def members(self, stack: str | None) -> tuple[Member, ...]:
        """Return the valid members of another stack; invalid ones are reported by their own stack."""
        parsed = parse_list(Member, placeholders(self.sections(stack, "membersFrom").get("members")), "membersFrom", [])
        return tuple(member for _, member, _ in parsed if member)

    def version(self, stack: str | None) -> str | None:
        """Return Karmada's version of another stack; None where it gives none, or an invalid one."""
        return version_named(self.sections(stack, "controlPlane.stack").get("controlPlane"))

    def helm(self, stack: str | None) -> HelmControlPlane | None:
        """Return another stack's `controlPlane.helm`; None where it has none, or an invalid one."""
        found = self.sections(stack, "controlPlane.stack").get("controlPlane")
        helm = found.get("helm") if isinstance(found, dict) else None
        return parse(HelmControlPlane, placeholders(helm), "controlPlane.helm", []) if helm is not None else None

    def clusters(self, stack: str, path: str) -> set[str]:
        """Return the names of the clusters that another stack makes."""
        found = self.sections(stack, path).get("clusters")
        return {str(e.get("name")) for e in (found if isinstance(found, list) else []) if isinstance(e, dict)}


def version_named(control_plane: Any) -> str | None:
    """Return the version in a stack's section `controlPlane`; None where it gives none, or an unsupported one."""
    given = str(control_plane.get("version") or "") if isinstance(control_plane, dict) else ""
    version = known_version(given)
    return given if version is not None and SUPPORTED.covers(version) else None


def check_sources(
    control_plane: ControlPlane | None,
    members: list[tuple[int, Member]],
    clusters: set[str],
    stacks: OtherStacks,
) -> list[Problem]:
    """Check that clusters whose credentials are used exist: this stack makes them, or the stack that is named does."""
    sources = [(f"members[{index}].kubeconfig", member.kubeconfig) for index, member in members]
    if control_plane and control_plane.helm:
        sources.append(("controlPlane.helm.host", control_plane.helm.host))
    if control_plane and control_plane.kubeconfig and control_plane.kubeconfig.cluster:
        sources.append(("controlPlane.kubeconfig", control_plane.kubeconfig))
    problems = []
    for path, source in sources:
        if source.cluster is None:
            continue
        known = stacks.clusters(source.stack, f"{path}.stack") if source.stack else clusters
        if source.cluster not in known:
            problems.append(
                Problem(
                    f"{path}.cluster",
                    f"is not a cluster of {'stack ' + source.stack if source.stack else 'this stack'}",
                    "there would be no credentials",
                    f"use one of {', '.join(sorted(known)) or '(there are none)'}, or add it to `clusters`",
                    f'"{source.cluster}"',
                )
            )
    return problems


def _read(file: Path) -> dict[str, Any] | FlotillaError:
    try:
        return fleet_sections(file)
    except FlotillaError as error:
        return error
