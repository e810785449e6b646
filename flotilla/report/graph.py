"""The graph that is drawn: workloads, members and copies, from a running fleet or from a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from flotilla.counts import counted
from flotilla.observe.fleet import FleetStatus
from flotilla.plan.fleet import FleetPlan

MOST_MEMBERS = 24
"""If there are more members than this, equal members are drawn as one box, so that the picture stays readable."""


class State(StrEnum):
    """The state of something in a fleet, or its change in a plan."""

    OK = "ok"
    BAD = "bad"
    WAITING = "waiting"
    NEW = "new"
    GONE = "gone"
    CHANGED = "changed"


SYMBOLS = {
    State.OK: "✓",
    State.BAD: "✗",
    State.WAITING: "…",
    State.NEW: "+",
    State.GONE: "−",  # noqa: RUF001 - a minus sign, as wide as the plus
    State.CHANGED: "~",
}
"""The symbol of each state, so that colour is never the only sign of it."""

PLANNED = {
    "joins": State.NEW,
    "new": State.NEW,
    "leaves": State.GONE,
    "gone": State.GONE,
    "changes": State.CHANGED,
    "adopted": State.OK,
    "stays": State.OK,
}
HEALTH = {"Healthy": State.OK, "Unhealthy": State.BAD}


@dataclass(frozen=True)
class Node:
    """A workload or a member."""

    id: str
    label: str
    state: State
    detail: str = ""


@dataclass(frozen=True)
class Edge:
    """A workload's copy in a member."""

    workload: str
    member: str
    state: State
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """A fleet, or a plan for one."""

    title: str
    workloads: tuple[Node, ...]
    members: tuple[Node, ...]
    edges: tuple[Edge, ...]

    @property
    def description(self) -> str:
        """The content of the picture as text, for readers who can't see it."""
        sentences = [f"{counted(len(self.workloads), 'workload')} and {counted(_count(self.members), 'member')}."]
        names = {node.id: node.label for node in self.members}
        for workload in self.workloads:
            where = ", ".join(
                f"{names[e.member]} ({' '.join(part for part in (e.label, e.state) if part)})"
                for e in self.edges
                if e.workload == workload.id
            )
            sentences.append(f"{workload.label}: {where or 'nowhere'}.")
        return " ".join(sentences)


def fleet_graph(status: FleetStatus, *, title: str) -> Graph:
    """Return the graph of a running fleet."""
    members = [
        Node(f"member:{m.name}", m.name, State.OK if m.ready else State.BAD, m.reason or f"{m.mode}, {m.version}")
        for m in status.members
    ]
    edges = [
        Edge(
            _workload_id(f"{copy.namespace}/{copy.workload}"),
            f"member:{copy.cluster}",
            HEALTH.get(copy.health, State.WAITING),
            copy.progress,
        )
        for copy in status.workloads
    ]
    names = dict.fromkeys(f"{copy.namespace}/{copy.workload}" for copy in status.workloads)
    workloads = [
        Node(_workload_id(name), name.rpartition("/")[2], _worst(edges, _workload_id(name)), name.partition("/")[0])
        for name in sorted(names)
    ]
    return _gathered(Graph(title, tuple(workloads), tuple(members), tuple(edges)))


def plan_graph(plan: FleetPlan, *, title: str) -> Graph:
    """Return the graph of a plan."""
    members = [
        Node(f"member:{cluster.name}", cluster.name, PLANNED[cluster.verb], cluster.verb) for cluster in plan.clusters
    ]
    known = {node.id for node in members}
    edges = []
    for workload in plan.workloads:
        drawn = {copy.cluster: (PLANNED[copy.verb], copy.verb) for copy in workload.copies}
        for cluster in (name for one in workload.undecided for name in one.candidates):
            drawn.setdefault(cluster, (State.WAITING, "Karmada chooses"))
        for cluster, (state, text) in drawn.items():
            target = f"member:{cluster}"
            if target not in known:  # a member of another stack
                members.append(Node(target, cluster, State.OK, "not in this stack"))
                known.add(target)
            edges.append(Edge(_workload_id(workload.name), target, state, text))
    workloads = [Node(_workload_id(w.name), w.name, PLANNED[w.verb], w.problem or w.verb) for w in plan.workloads]
    return _gathered(Graph(title, tuple(workloads), tuple(members), tuple(edges)))


def _workload_id(name: str) -> str:
    return f"workload:{name}"


def _worst(edges: Iterable[Edge], workload: str) -> State:
    states = {edge.state for edge in edges if edge.workload == workload}
    return next((state for state in (State.BAD, State.WAITING) if state in states), State.OK)


def _gathered(graph: Graph) -> Graph:
    """Return a graph in which equal members are one node, if there are too many to draw each."""
    if len(graph.members) <= MOST_MEMBERS:
        return graph
    by_member: dict[str, list[Edge]] = {}
    for edge in graph.edges:
        by_member.setdefault(edge.member, []).append(edge)
    equal: dict[tuple[object, ...], list[Node]] = {}
    for node in graph.members:
        copies = tuple(sorted((edge.workload, edge.state) for edge in by_member.get(node.id, [])))
        equal.setdefault((node.state, copies), []).append(node)
    members, edges = [], []
    for nodes in equal.values():
        first = nodes[0]
        if len(nodes) > 1:
            first = Node(f"{first.id}:and-others", _together(nodes), first.state, counted(len(nodes), "member"))
        members.append(first)
        edges += [
            replace(edge, member=first.id, label=_share(edge, len(nodes))) for edge in by_member.get(nodes[0].id, [])
        ]
    return replace(graph, members=tuple(members), edges=tuple(edges))


def _share(edge: Edge, count: int) -> str:
    return f"in {count}" if count > 1 else edge.label


def _together(nodes: list[Node]) -> str:
    return f"{nodes[0].label} … {nodes[-1].label}"


def _count(members: Iterable[Node]) -> int:
    """Return the number of members, including each of those that are drawn as one."""
    total = 0
    for node in members:
        number, _, word = node.detail.partition(" ")
        total += int(number) if word == "members" and number.isdigit() else 1
    return total
