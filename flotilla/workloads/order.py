"""In which order workloads are declared: what each comes after, by its own word (`after`) and by what it needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise

from flotilla.karmada.kinds import Kinds, defined_kinds
from flotilla.kube.objects import Object
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.given import GivenPolicies
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.needs import ROLLOUT, Need, needs_of
from flotilla.workloads.objects import manifests_of

Edges = Mapping[str, Mapping[str, str]]
"""By workload: the workloads that it comes after, each with what is said of it: `is after`, `needs namespace x of`."""


def in_order(fleet: Fleet, files: ManifestFiles, kinds: Kinds | None = None) -> Iterator[tuple[Workload, list[Need]]]:
    """Return the workloads, those that others come after first, each with what it needs; else in file order.

    Two that need each other can't be ordered: the first one does without what it needs of the other. A cycle in which
    any workload names another one in `after` is refused before (check_order).

    Args:
        fleet: the stack's.
        files: where the manifests are.
        kinds: what is known of custom kinds; the definitions among the manifests where it is left out.
    """
    manifests = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    needs = needs_of(manifests, kinds or _defined(manifests), _given(fleet.workloads))
    behind = _behind(_edges(list(fleet.workloads), needs))
    waiting = {workload.name: workload for workload in fleet.workloads}
    while waiting:
        # Whatever it waits for waits for it as well: such a group goes in file order.
        name = next(n for n in waiting if all(n in behind[other] for other in behind[n] if other in waiting))
        workload = waiting.pop(name)
        after = [Need(other, ROLLOUT) for other in dict.fromkeys(workload.after)]
        yield workload, [need for need in (*needs[name], *after) if need.workload not in waiting]


def check_order(
    workloads: list[tuple[int, Workload]], names: set[str], files: ManifestFiles | None = None
) -> list[Problem]:
    """Check what workloads come after: it must be there, and no workload may come after itself.

    Args:
        workloads: by position in the stack file; those that are invalid by themselves are left out.
        names: of all workloads, valid or not.
        files: where the manifests are; None where files aren't looked at, and so nothing is known of needs.
    """
    listed = [workload for _, workload in workloads]
    manifests = {workload.name: found for workload in listed if (found := _readable(workload, files))}
    edges = _edges(listed, needs_of(manifests, _defined(manifests), _given(listed)))
    former = {workload.formerly: workload.name for workload in listed if workload.formerly}
    behind = _behind(edges)
    problems: list[Problem] = []
    cycles: set[frozenset[str]] = set()
    for index, workload in workloads:
        for position, other in enumerate(workload.after):
            where, seen = f"workloads[{index}].after[{position}]", f'"{other}"'
            if other == workload.name:
                rule = "is the workload itself"
                problems.append(Problem(where, rule, "it would wait for itself", "drop it", seen))
            elif other not in names:
                problems.append(_unknown(where, seen, names - {workload.name}, former.get(other)))
            elif workload.name in behind.get(other, ()):
                ring = [workload.name, *_way(edges, other, workload.name)]
                if frozenset(ring) not in cycles:
                    cycles.add(frozenset(ring))
                    problems.append(_cycle(where, seen, ring, edges))
    return problems


def _unknown(where: str, seen: str, names: set[str], present: str | None) -> Problem:
    rule = "is no workload of this stack"
    known = f"use one of {', '.join(sorted(names))}" if names else "drop it"
    return Problem(
        where, rule, "it would be waited for in vain", f"it is called {present} now" if present else known, seen
    )


def _cycle(where: str, seen: str, ring: list[str], edges: Edges) -> Problem:
    said = ", ".join(f"{one} {edges[one][other]} {other}" for one, other in pairwise(ring))
    return Problem(
        where,
        f"makes a cycle: {said}",
        "none of them could be declared first",
        "drop one of these, or move what is needed into a workload that comes before",
        seen,
    )


def _readable(workload: Workload, files: ManifestFiles | None) -> list[Object]:
    try:
        return manifests_of(workload, files) if files else []
    except ConfigError:
        return []  # that is reported already


def _given(workloads: Iterable[Workload]) -> dict[str, GivenPolicies]:
    return {workload.name: workload.given for workload in workloads if workload.given}


def _defined(manifests: Mapping[str, list[Object]]) -> Kinds:
    return defined_kinds(manifest for listed in manifests.values() for manifest in listed)


def _edges(workloads: list[Workload], needs: Mapping[str, list[Need]]) -> Edges:
    found: dict[str, dict[str, str]] = {}
    for workload in workloads:
        needed = {need.workload: f"needs {need} of" for need in needs.get(workload.name, ())}
        found[workload.name] = {**needed, **dict.fromkeys(workload.after, "is after")}
    return found


def _behind(edges: Edges) -> dict[str, set[str]]:
    """Return for each workload all those that it comes after, at however many removes."""
    return {name: set(_tree(edges, name)) for name in edges}


def _way(edges: Edges, start: str, goal: str) -> list[str]:
    """Return the shortest way from one workload to one that it comes after: both, and those between them."""
    came, way = _tree(edges, start), [goal]
    while way[0] != start:
        way.insert(0, came[way[0]])
    return way


def _tree(edges: Edges, start: str) -> dict[str, str]:
    """Return what is reached from a workload, each with the one before it on the shortest way."""
    came: dict[str, str] = {}
    turn = [start]
    for name in turn:
        for other in edges.get(name, ()):
            if other not in came:
                came[other] = name
                turn.append(other)
    return came
