"""What a Karmada does with templates in clusters that fail or are tainted, by its version and its settings.

Upstream: pkg/controllers/cluster (cluster_controller.go, taint_manager.go), pkg/controllers/taint and
pkg/features/features.go, of 1.10 to 1.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla.karmada.scheduling import ClusterFacts, Taint, matches, tolerates
from flotilla.karmada.scheduling.facts import Object
from flotilla.karmada.versions import SUPPORTED, Version

NOT_READY, UNREACHABLE = "cluster.karmada.io/not-ready", "cluster.karmada.io/unreachable"
EVICTION_SECONDS = 300
"""How long a cluster isn't ready before 1.13 and earlier give it up (--failover-eviction-timeout)."""
_POLICIES_SINCE = Version(1, 14)
_LAST_ON = {10: 7, 11: 3}
"""The patch releases up to which the gate Failover is on by default, by minor version."""


@dataclass(frozen=True)
class Failover:
    """What this Karmada does by itself."""

    unready_evicts: bool = False
    """A cluster that isn't ready for five minutes gets a NoExecute taint; of versions up to 1.13."""
    taints_evict: bool = False
    """NoExecute taints take templates away that don't tolerate them."""
    taint_policies: bool = False
    """ClusterTaintPolicies are in force; from 1.14 on."""

    @classmethod
    def of(cls, version: Version, *, gate: bool, no_execute: bool | None = None) -> Failover:
        """Return what a version does.

        Args:
            version: Karmada's.
            gate: the feature gate Failover of karmada-controller-manager is on.
            no_execute: its flag --enable-no-execute-taint-eviction, which is there since 1.14; None: as the gate.
        """
        if version < _POLICIES_SINCE:
            return cls(unready_evicts=gate, taints_evict=True)
        return cls(taints_evict=gate and (gate if no_execute is None else no_execute), taint_policies=gate)


def gate_by_default(release: str) -> bool | None:
    """Return whether the gate Failover is on where nobody sets it; None where that depends on what isn't known.

    It is on up to 1.10.7 and 1.11.3, and off in every later release.
    """
    found = re.fullmatch(r"v?(\d+)\.(\d+)(?:\.(\d+))?", release)
    if not found or int(found[1]) != SUPPORTED.oldest.major:
        return None
    minor, patch = int(found[2]), found[3]
    last = _LAST_ON.get(minor)
    if last is None:
        return minor < SUPPORTED.oldest.minor
    return None if patch is None else int(patch) <= last


def taints_of_down(
    cluster: ClusterFacts,
    failover: Failover,
    *,
    pull: bool,
    conditions: Mapping[str, str],
    policies: Iterable[Object],
    version: Version,
) -> tuple[Taint, ...]:
    """Return the taints of a cluster that doesn't answer, in the end.

    Args:
        cluster: as it is.
        failover: what this Karmada does by itself.
        pull: it is in pull mode: nobody reports for it then, and its state is unknown. Else Karmada finds it not ready.
        conditions: the status of its Cluster's conditions, by type; Ready is set here.
        policies: the ClusterTaintPolicies of the control plane, oldest first.
        version: Karmada's.
    """
    key, status = (UNREACHABLE, "Unknown") if pull else (NOT_READY, "False")
    added = [Taint(key)]
    if failover.unready_evicts:
        added.append(Taint(key, effect="NoExecute"))
    found = list(cluster.taints)
    found += [taint for taint in added if taint not in found]
    if failover.taint_policies:
        found = _by_policies(cluster, found, {**conditions, "Ready": status}, policies, version)
    return tuple(found)


def _by_policies(
    cluster: ClusterFacts,
    taints: list[Taint],
    conditions: Mapping[str, str],
    policies: Iterable[Object],
    version: Version,
) -> list[Taint]:
    """Return taints with what ClusterTaintPolicies make of them; each adds what it adds, then takes off."""
    found = list(taints)
    for policy in policies:
        spec = policy.get("spec") or {}
        target = spec.get("targetClusters")
        if target is not None and not matches(cluster, target, version):
            continue
        meant = [
            Taint(str(one.get("key")), str(one.get("value") or ""), str(one.get("effect")))
            for one in spec.get("taints") or []
        ]
        if _holds(spec.get("addOnConditions"), conditions):
            found += [one for one in meant if not _has(found, one)]
        if _holds(spec.get("removeOnConditions"), conditions):
            found = [one for one in found if not _has(meant, one)]
    return found


def _has(taints: Iterable[Taint], taint: Taint) -> bool:
    """Return whether there is a taint of this key and effect."""
    return any((one.key, one.effect) == (taint.key, taint.effect) for one in taints)


def _holds(wanted: list[Object] | None, conditions: Mapping[str, str]) -> bool:
    """Return whether all conditions of a ClusterTaintPolicy are met; none at all never are."""

    def met(one: Object) -> bool:
        status = conditions.get(str(one.get("conditionType")))
        listed = status in (one.get("statusValues") or [])
        return status is not None and (listed if one.get("operator") == "In" else not listed)

    return bool(wanted) and all(met(one) for one in wanted or [])


def evicted_after(taints: Iterable[Taint], tolerations: Iterable[Object]) -> int | None:
    """Return after how many seconds NoExecute taints take a template away; None: never, 0: at once.

    Args:
        taints: those of the cluster.
        tolerations: the placement's; of several that tolerate a taint the first counts.
    """
    listed = list(tolerations)
    used = []
    for taint in taints:
        if taint.effect != "NoExecute":
            continue
        first = next((one for one in listed if tolerates(one, taint)), None)
        if first is None:
            return 0
        used.append(first)
    limits = [max(int(one["tolerationSeconds"]), 0) for one in used if one.get("tolerationSeconds") is not None]
    return min(limits, default=None)
