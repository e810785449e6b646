"""What a workload needs of Karmada: since which version a key exists, and which feature gate must be on.

Source: Karmada's published CustomResourceDefinitions from 1.10 to 1.18, and pkg/features/features.go of each version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.karmada.installing import chart
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.stack.helm import HelmControlPlane
from flotilla.stack.problems import Problem
from flotilla.stack.rollout_strategy import RolloutStrategy
from flotilla.stack.workloads import OnRemoval, Preemption, Workload

CONTROLLERS, SCHEDULER = "controllerManager", "scheduler"
"""Components, by the chart's names."""


@dataclass(frozen=True)
class Gate:
    """A feature gate of Karmada."""

    name: str
    components: tuple[str, ...] = (CONTROLLERS,)
    """The components that use the gate, by the chart's names."""
    default: str = "off by default"
    """The gate's default in Karmada, in a few words. Karmada's chart turns every gate off."""


@dataclass(frozen=True)
class Feature:
    """A key of a workload, with what the key needs."""

    key: str
    """The key's place in the workload, such as `failover.cluster`."""
    since: Version = SUPPORTED.oldest
    gate: Gate | None = None


FAILOVER = Gate("Failover")
INJECTION = Gate("StatefulFailoverInjection")
DEPENDENCIES = Gate("PropagateDeps", default="on by default, and turned off by Karmada's Helm chart")
PREEMPTION = Gate("PropagationPolicyPreemption")
PRIORITY = Gate("PriorityBasedScheduling", (CONTROLLERS, SCHEDULER))
AFFINITY = Gate("WorkloadAffinity", (CONTROLLERS, SCHEDULER))

ACROSS_CLUSTERS = Gate("MultiClusterService")
QUOTA = Gate("FederatedQuotaEnforcement")

Gates = Mapping[str, Mapping[str, Any]]
"""Feature gates by component, in the form of the chart's values."""


def features_of(workload: Workload) -> Iterator[Feature]:
    """Return what a workload uses that some Karmada version lacks, or that a feature gate can turn off."""
    yield from _of_placement(workload)
    for index, override in enumerate(workload.overrides):
        if override.fields:
            yield Feature(f"overrides[{index}].fields", Version(1, 12))
    suspended = bool(workload.suspend and (workload.suspend.everywhere or workload.suspend.clusters))
    used = {
        Feature("suspend", Version(1, 11)): suspended,
        Feature("rollout", Version(1, 11)): workload.rollout is not None,
        Feature("onRemoval", Version(1, 12)): workload.on_removal is OnRemoval.KEEP,
        Feature("schedulePriority", Version(1, 13), PRIORITY): bool(workload.schedule_priority),
        Feature("preemption", gate=PREEMPTION): workload.preemption is Preemption.ALWAYS,
        Feature("dependencies", gate=DEPENDENCIES): bool(workload.dependencies),
    }
    yield from (feature for feature, is_used in used.items() if is_used)
    yield from _of_failover(workload)


def _of_placement(workload: Workload) -> Iterator[Feature]:
    placement = workload.placement
    for index, group in enumerate(placement.groups):
        if group.overflow:
            yield Feature(f"placement.groups[{index}].overflow", Version(1, 18))
    if placement.workload_affinity:
        yield Feature("placement.workloadAffinity", Version(1, 17), AFFINITY)


def _of_failover(workload: Workload) -> Iterator[Feature]:
    application = workload.failover.application if workload.failover else None
    cluster = workload.failover.cluster if workload.failover else None
    if application and not workload.dependencies:
        yield Feature("failover.application", gate=DEPENDENCIES)
    if application and application.state:
        yield Feature("failover.application.state", Version(1, 12), INJECTION)
    if cluster:
        yield Feature("failover.cluster", Version(1, 15), FAILOVER)
    if cluster and cluster.state:
        yield Feature("failover.cluster.state", Version(1, 15), INJECTION)


def check_features(
    workloads: list[tuple[int, Workload]],
    version: Version | None,
    gates: Gates | None,
    rollout: RolloutStrategy | None = None,
) -> list[Problem]:
    """Check that Karmada supports what workloads use.

    Args:
        workloads: by position in the file.
        version: Karmada's version; None where the stack doesn't give it.
        gates: the feature gates with which Karmada is installed; None where they aren't known.
        rollout: the stack's own rollout strategy, which applies to workloads without a `rollout` key.
    """
    problems = []
    for index, workload in workloads:
        for feature in features_of(workload):
            inherited = feature.key == "rollout" and workload.rollout is rollout
            path = "rollout" if inherited else f"workloads[{index}].{feature.key}"
            if version is None and feature.since > SUPPORTED.oldest:
                problems.append(_unknown_version(path, feature))
            elif version is not None and version < feature.since:
                problems.append(_too_old(path, feature, version))
            elif version is not None and gates is not None and feature.gate:
                problems += closed(path, feature.gate, version, gates)
        if version is None and workload.failover and workload.failover.application:
            problems.append(
                Problem(
                    f"workloads[{index}].failover.application",
                    "needs Karmada's version, which the stack doesn't give",
                    "purge modes have other names before 1.15, and Karmada's API would refuse the policy",
                    "add `version` to controlPlane, such as `version: 1.18.2`",
                )
            )
    return problems


def _unknown_version(path: str, feature: Feature) -> Problem:
    return Problem(
        path,
        f"needs Karmada {feature.since} or newer, and the stack doesn't give its version",
        "an older Karmada ignores it silently",
        "add `version` to controlPlane, such as `version: 1.18.2`",
    )


def _too_old(path: str, feature: Feature, version: Version) -> Problem:
    return Problem(
        path,
        f"needs Karmada {feature.since} or newer, and this is {version}",
        "Karmada would ignore it silently",
        "remove it, or upgrade Karmada",
    )


def closed(path: str, gate: Gate, version: Version, gates: Gates) -> list[Problem]:
    """Return a problem for each component in which a required gate is off, with what to write."""
    problems = []
    for component in gate.components:
        since = chart.FEATURE_GATES[component]
        if version >= since and gates.get(component, {}).get(gate.name) in (True, "true"):
            continue
        remedy = f"add `featureGates: {{{component}: {{{gate.name}: true}}}}` to controlPlane.helm"
        problems.append(
            Problem(
                path,
                f"needs the feature gate {gate.name} of {component}, which is off",
                "it would do nothing",
                remedy if version >= since else f"remove it, or use Karmada {since}, whose chart can turn it on",
            )
        )
    return problems


def gates_of(helm: HelmControlPlane) -> Gates:
    """Return the feature gates with which Karmada is installed; the chart's `values` are merged last."""
    found: dict[str, dict[str, Any]] = {name: dict(gates) for name, gates in helm.feature_gates.items()}
    for component in (CONTROLLERS, SCHEDULER):
        values = helm.values.get(component)
        gates = values.get("featureGates") if isinstance(values, dict) else None
        if isinstance(gates, dict):
            found.setdefault(component, {}).update(gates)
    return found


def doubtful_gates(workload: Workload) -> list[str]:
    """Return the feature gates that a workload needs where the gates of Karmada are unknown: one line for each."""
    found: dict[Gate, list[str]] = {}
    for feature in features_of(workload):
        if feature.gate:
            found.setdefault(feature.gate, []).append(feature.key)
    return [f"workload {workload.name}: {', '.join(keys)} {doubtful(gate)}" for gate, keys in found.items()]


def doubtful(gate: Gate) -> str:
    """Return which programs need a gate, for a Karmada whose gates are unknown."""
    programs = " and ".join(_PROGRAMS[component] for component in gate.components)
    return f"does nothing unless the feature gate {gate.name} of {programs} is on ({gate.default})"


_PROGRAMS = {CONTROLLERS: "karmada-controller-manager", SCHEDULER: "karmada-scheduler"}
