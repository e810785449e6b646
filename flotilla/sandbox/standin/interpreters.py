"""Karmada's default interpreters: the health of a member's object, and the collected part of its status.

Upstream: pkg/resourceinterpreter/default/native/healthy.go and reflectstatus.go of 1.18.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flotilla.karmada.kinds import GroupKind, kind_of
from flotilla.karmada.rendering.marks import GENERATION
from flotilla.karmada.status.lacking import BUDGET, CLAIM, INGRESS, SERVICE, has_address
from flotilla.karmada.status.ready import collected
from flotilla.kube.objects import Object, is_true

_OF_TEMPLATES = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"})
"""Kinds of the group apps whose collected status includes the generations of the template and of the copy."""


def health(live: Object) -> str:
    """Return an object's health; kinds without an interpreter are always healthy."""
    judge = _HEALTHY.get(kind_of(live))
    return "Healthy" if judge is None or judge(live) else "Unhealthy"


def collected_status(live: Object, manifest: Object) -> Object:
    """Return the collected part of an object's status; the whole status for kinds without an interpreter."""
    kind, status = kind_of(live), live.get("status") or {}
    if kind == SERVICE and live["spec"].get("type") != "LoadBalancer":
        return {}
    fields = collected(kind)
    kept: Object = {key: value for key, value in status.items() if fields is None or key in fields}
    if kind[0] == "apps" and kind[1] in _OF_TEMPLATES and kept:
        kept["generation"] = live["metadata"].get("generation")
        kept["resourceTemplateGeneration"] = int(manifest["metadata"]["annotations"][GENERATION])
    return kept


def _replicated(live: Object) -> bool:
    wanted, status = (live.get("spec") or {}).get("replicas", 1), live.get("status") or {}
    updated = status.get("updatedReplicas", 0)
    return _seen(live) and updated >= wanted and status.get("availableReplicas", 0) >= updated


def _replica_set(live: Object) -> bool:
    wanted = (live.get("spec") or {}).get("replicas", 1)
    return _seen(live) and (live.get("status") or {}).get("availableReplicas", 0) >= wanted


def _daemon_set(live: Object) -> bool:
    status = live.get("status") or {}
    updated = status.get("updatedNumberScheduled", 0)
    enough = updated >= status.get("desiredNumberScheduled", 0) and status.get("numberAvailable", 0) >= updated
    return _seen(live) and enough


def _seen(live: Object) -> bool:
    return bool((live.get("status") or {}).get("observedGeneration") == live["metadata"].get("generation"))


def _addressed(live: Object) -> bool:
    return has_address(live.get("status") or {})


def _service(live: Object) -> bool:
    return live["spec"].get("type") != "LoadBalancer" or _addressed(live)


def _claim(live: Object) -> bool:
    return bool((live.get("status") or {}).get("phase") == "Bound")


def _pod(live: Object) -> bool:
    phase = (live.get("status") or {}).get("phase")
    return phase == "Succeeded" or (phase == "Running" and is_true(live, "Ready"))


def _budget(live: Object) -> bool:
    status = live.get("status") or {}
    return bool(status.get("currentHealthy", 0) >= status.get("desiredHealthy", 0))


_HEALTHY: Mapping[GroupKind, Callable[[Object], bool]] = {
    ("apps", "Deployment"): _replicated,
    ("apps", "StatefulSet"): _replicated,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "DaemonSet"): _daemon_set,
    SERVICE: _service,
    INGRESS: _addressed,
    CLAIM: _claim,
    ("", "Pod"): _pod,
    BUDGET: _budget,
}
