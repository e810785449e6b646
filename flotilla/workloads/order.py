"""The order in which workloads are declared: each comes after those in its `after` and those that it needs."""

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
"""By workload: the workloads that come before it, each with the reason: `is after`, `needs namespace x of`."""


def in_order(fleet: Fleet, files: ManifestFiles, kinds: Kinds | None = None) -> Iterator[tuple[Workload, list[Need]]]:
    """Yield the workloads in order, each with its needs; workloads without an order between them stay in file order.

    Two workloads that need each other can't be ordered: the first one doesn't wait for what it needs of the other. A
    cycle in which any workload names another one in `after` is refused before (check_order).

    Args:
        fleet: the stack's fleet.
        files: the reader of manifests.
        kinds: the facts about custom kinds; by default, those of the definitions among the manifests.
    """
    manifests = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    needs = needs_of(manifests, kinds or _defined(manifests), _given(fleet.workloads))
    behind = _behind(_edges(list(fleet.workloads), needs))
    waiting = {workload.name: workload for workload in fleet.workloads}
    while waiting:
        # All workloads for which it waits also wait for it: such a group stays in file order.
        name = next(n for n in waiting if all(n in behind[other] for other in behind[n] if other in waiting))
        workload = waiting.pop(name)
        after = [Need(other, ROLLOUT) for other in dict.fromkeys(workload.after)]
        yield workload, [need for need in (*needs[name], *after) if need.workload not in waiting]


def check_order(
    workloads: list[tuple[int, Workload]], names: set[str], files: ManifestFiles | None = None
) -> list[Problem]:
    """Check that the workloads in `after` exist, and that no workload comes after itself.

    Args:
        workloads: by position in the stack file, without invalid ones.
        names: the names of all workloads, valid or not.
        files: the reader of manifests; None where files aren't read, so that needs are unknown.
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
                problems.append(Problem(where, rule, "it would wait for itself", "remove it", seen))
            elif other not in names:
                problems.append(_unknown(where, seen, names - {workload.name}, former.get(other)))
            elif workload.name in behind.get(other, ()):
                ring = [workload.name, *_path(edges, other, workload.name)]
                if frozenset(ring) not in cycles:
                    cycles.add(frozenset(ring))
                    problems.append(_cycle(where, seen, ring, edges))
    return problems


def _unknown(where: str, seen: str, names: set[str], present: str | None) -> Problem:
    rule = "is not a workload of this stack"
    known = f"use one of {', '.join(sorted(names))}" if names else "remove it"
    return Problem(
        where, rule, "the workload would wait without success", f"its name is {present} now" if present else known, seen
    )


def _cycle(where: str, seen: str, ring: list[str], edges: Edges) -> Problem:
    said = ", ".join(f"{one} {edges[one][other]} {other}" for one, other in pairwise(ring))
    return Problem(
        where,
        f"makes a cycle: {said}",
        "none of them could be declared first",
        "remove one of these, or move the needed objects into a workload that comes before",
        seen,
    )


def _readable(workload: Workload, files: ManifestFiles | None) -> list[Object]:
    try:
        return manifests_of(workload, files) if files else []
    except ConfigError:
        return []  # that is reported elsewhere


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
    """Return, for each workload, all workloads that come before it, directly or indirectly."""
    return {name: set(_tree(edges, name)) for name in edges}


def _path(edges: Edges, start: str, goal: str) -> list[str]:
    """Return the shortest path from one workload to another that comes before it, including both."""
    came, way = _tree(edges, start), [goal]
    while way[0] != start:
        way.insert(0, came[way[0]])
    return way


def _tree(edges: Edges, start: str) -> dict[str, str]:
    """Return the workloads reachable from a workload, each with its predecessor on the shortest path."""
    came: dict[str, str] = {}
    turn = [start]
    for name in turn:
        for other in edges.get(name, ()):
            if other not in came:
                came[other] = name
                turn.append(other)
    return came
