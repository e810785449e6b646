"""What Karmada does with templates in clusters that fail or are tainted, by its version and its settings.

Upstream: pkg/controllers/cluster (cluster_controller.go, taint_manager.go), pkg/controllers/taint and
pkg/features/features.go, versions 1.10 to 1.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flotilla.karmada.scheduling import ClusterFacts, Taint, matches, tolerates
from flotilla.karmada.scheduling.facts import Object
from flotilla.karmada.versions import SUPPORTED, Version

NOT_READY, UNREACHABLE = "cluster.karmada.io/not-ready", "cluster.karmada.io/unreachable"
_POLICIES_SINCE = Version(1, 14)
_LAST_ON = {10: 7, 11: 3}
"""The last patch release in which the gate Failover is on by default, by minor version."""


@dataclass(frozen=True)
class Failover:
    """How a control plane handles failed clusters."""

    unready_evicts: bool = False
    """A cluster that isn't ready for five minutes gets a NoExecute taint; in versions up to 1.13."""
    taints_evict: bool = False
    """NoExecute taints evict templates that don't tolerate them."""
    taint_policies: bool = False
    """ClusterTaintPolicies are effective; since 1.14."""

    @classmethod
    def of(cls, version: Version, *, gate: bool, no_execute: bool | None = None) -> Failover:
        """Return how a version handles failed clusters.

        Args:
            version: Karmada's version.
            gate: whether the feature gate Failover of karmada-controller-manager is on.
            no_execute: its flag --enable-no-execute-taint-eviction, which exists since 1.14; None: the same as the
                gate.
        """
        if version < _POLICIES_SINCE:
            return cls(unready_evicts=gate, taints_evict=True)
        return cls(taints_evict=gate and (gate if no_execute is None else no_execute), taint_policies=gate)


def gate_by_default(release: str) -> bool | None:
    """Return whether the gate Failover is on by default; None where that depends on an unknown part of the version.

    It is on up to 1.10.7 and 1.11.3, and off in all later releases.
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
    """Return the taints that a cluster finally gets if it doesn't answer.

    Args:
        cluster: the facts of the cluster now.
        failover: how this control plane handles failed clusters.
        pull: whether it is in pull mode: its agent then stops reporting, and its state is unknown. In push mode Karmada
            finds it not ready.
        conditions: the status of its Cluster's conditions, by type; this function sets Ready.
        policies: the ClusterTaintPolicies of the control plane, oldest first.
        version: Karmada's version.
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
    """Return taints after all ClusterTaintPolicies were applied; each first adds taints, then removes taints."""
    found = list(taints)
    for policy in policies:
        spec = policy.get("spec") or {}
        target = spec.get("targetClusters")
        if target is not None and not matches(cluster, target, version):
            continue
        listed = [
            Taint(str(one.get("key")), str(one.get("value") or ""), str(one.get("effect")))
            for one in spec.get("taints") or []
        ]
        if _are_met(spec.get("addOnConditions"), conditions):
            found += [one for one in listed if not _has(found, one)]
        if _are_met(spec.get("removeOnConditions"), conditions):
            found = [one for one in found if not _has(listed, one)]
    return found


def _has(taints: Iterable[Taint], taint: Taint) -> bool:
    """Return whether a list has a taint with this key and effect."""
    return any((one.key, one.effect) == (taint.key, taint.effect) for one in taints)


def _are_met(wanted: list[Object] | None, conditions: Mapping[str, str]) -> bool:
    """Return whether all conditions of a ClusterTaintPolicy are met; an empty list is never met."""

    def met(one: Object) -> bool:
        status = conditions.get(str(one.get("conditionType")))
        listed = status in (one.get("statusValues") or [])
        return status is not None and (listed if one.get("operator") == "In" else not listed)

    return bool(wanted) and all(met(one) for one in wanted or [])


def evicted_after(taints: Iterable[Taint], tolerations: Iterable[Object]) -> int | None:
    """Return after how many seconds NoExecute taints evict a template; None: never, 0: at once.

    Args:
        taints: the taints of the cluster.
        tolerations: the tolerations of the placement; if several tolerate a taint, the first one counts.
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
