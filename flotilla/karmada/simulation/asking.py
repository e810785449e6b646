"""What users write to describe assumptions: names, taints, replicas, a member."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, Taint, facts_of
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.simulation.world import Assumed, World
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.kube.objects import Object

_EFFECTS = ("NoSchedule", "NoExecute")
_MOST_REPLICAS = 2**31 - 1
_TAINT = re.compile(r"(?P<cluster>[^=:\s]+)=(?P<key>[^=:\s]+)(=(?P<value>[^=:\s]*))?:(?P<effect>[A-Za-z]+)")
_FIELDS = ("name", "labels", "provider", "region", "zones", "taints")


class BadAssumption(FlotillaError):
    """An assumption can't be parsed, or names something that the fleet doesn't have."""


@dataclass(frozen=True)
class Assumptions:
    """Assumptions in the form in which users write them."""

    without: tuple[str, ...] = ()
    """Clusters; or `region=NAME`, `zone=NAME`: all clusters that are in no other region or zone."""
    cordon: tuple[str, ...] = ()
    taints: tuple[str, ...] = ()
    """`CLUSTER=KEY[=VALUE]:EFFECT`"""
    replicas: tuple[str, ...] = ()
    """`NAME=COUNT`; the name is a workload's or a template's."""
    members: tuple[Object, ...] = ()
    """Clusters that join: a Cluster of Karmada's API, or a member in the form of a stack file."""
    karmada: str = ""
    """Another version of Karmada, or empty."""


def assumed_of(asked: Assumptions, world: World, failovers: Callable[[str], tuple[Failover, ...]]) -> Assumed:
    """Return the assumptions for a fleet.

    Args:
        asked: the assumptions as users write them.
        world: the fleet.
        failovers: how another version of Karmada handles failed clusters.

    Raises:
        BadAssumption: an assumption can't be parsed, or names something that isn't in the fleet.
    """
    joins = tuple(joining(one) for one in asked.members)
    every = (*world.clusters, *joins)
    without = frozenset(name for one in asked.without for name in _lost(one, every))
    for i, one in enumerate(joins):
        if one.name in world.names or one.name in [other.name for other in joins[:i]]:
            there = "is a member already" if one.name in world.names else "joins twice"
            raise BadAssumption(
                f"{one.name} {there}", hint="a cluster that joins needs a name that no other cluster has"
            )
    scheduler = None
    if asked.karmada:
        version = known_version(asked.karmada)
        if version is None or not SUPPORTED.covers(version):
            raise BadAssumption(
                f"{asked.karmada[:40]!r} isn't a version of Karmada between {SUPPORTED}: its decisions aren't known",
                hint="write a version such as 1.18.2",
            )
        scheduler = Scheduler(version)
    return Assumed(
        without,
        frozenset(_known(name, every) for name in asked.cordon),
        tuple(_taint(one, every) for one in asked.taints),
        dict(_replicas(one, world) for one in asked.replicas),
        joins,
        scheduler,
        failovers(asked.karmada) if asked.karmada else (),
    )


def _known(name: str, clusters: Iterable[ClusterFacts]) -> str:
    names = sorted(one.name for one in clusters)
    if name in names:
        return name
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")  # noqa: PLR2004 - a line is enough
    raise BadAssumption(f"there is no member {name[:60]!r}", hint=f"the fleet has {shown or 'none'}")


def _lost(text: str, clusters: Iterable[ClusterFacts]) -> list[str]:
    listed = list(clusters)
    field, equals, value = text.partition("=")
    if not equals:
        return [_known(text, listed)]
    tests: dict[str, Callable[[ClusterFacts], bool]] = {
        "region": lambda one: one.region == value != "",
        "zone": lambda one: set(one.zones) == {value},
    }
    found = [one.name for one in listed if field in tests and tests[field](one)]
    if not found:
        raise BadAssumption(
            f"no member is lost with {text[:60]!r}: none is in it and in no other",
            hint="name a member, region=NAME or zone=NAME",
        )
    return found


def _taint(text: str, clusters: Iterable[ClusterFacts]) -> tuple[str, Taint]:
    found = _TAINT.fullmatch(text)
    if not found or found["effect"] not in _EFFECTS:
        raise BadAssumption(
            f"{text[:80]!r} isn't a taint of a member with the effect {' or '.join(_EFFECTS)}; Karmada ignores "
            "other effects",
            hint="write MEMBER=KEY=VALUE:NoSchedule or MEMBER=KEY:NoExecute",
        )
    return _known(found["cluster"], clusters), Taint(found["key"], found["value"] or "", found["effect"])


def _replicas(text: str, world: World) -> tuple[str, int]:
    name, _, count = text.rpartition("=")
    if not name or not re.fullmatch(r"\d{1,10}", count) or int(count) > _MOST_REPLICAS:
        raise BadAssumption(f"{text[:80]!r} doesn't set replicas", hint="write NAME=COUNT, such as nginx=20")
    known = {key for one in world.placed for key in (one.ref, one.workload, str(one.template["metadata"]["name"]))}
    if name not in known:
        listed = ", ".join(sorted({one.workload for one in world.placed})[:12])
        raise BadAssumption(f"there is no workload {name[:60]!r}", hint=f"the stack has {listed or 'none'}")
    return name, int(count)


def joining(document: Any) -> ClusterFacts:
    """Return the facts of a cluster that joins.

    Args:
        document: a Cluster of Karmada's API, or a member in the form of a stack file.

    Raises:
        BadAssumption: the document is neither.
    """
    if not isinstance(document, dict):
        raise BadAssumption("a member has to be a map", hint=f"write a Cluster, or {', '.join(_FIELDS)}")
    if document.get("kind") == "Cluster":
        cluster = document
    else:
        cluster = {
            "metadata": {"name": document.get("name"), "labels": document.get("labels") or {}},
            "spec": {key: document.get(key) for key in ("provider", "region", "zones", "taints")},
        }
    meta = cluster.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    if not isinstance(name, str) or not name:
        raise BadAssumption("a member that joins has no name", hint="write `name: member9`")
    try:
        facts = facts_of(cluster)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unreadable(name) from None
    spec = cluster.get("spec") or {}
    if not isinstance(facts.labels, dict) or isinstance(spec.get("zones"), str):
        raise _unreadable(name)
    texts = [facts.region, facts.provider, *facts.zones, *facts.labels, *facts.labels.values()]
    if not all(isinstance(one, str) for one in texts):
        raise _unreadable(name)
    return facts


def _unreadable(name: str) -> BadAssumption:
    return BadAssumption(
        f"member {name[:60]} can't be read",
        hint="region and provider are texts, labels a map of texts, zones a list of them, taints a list of maps",
    )
