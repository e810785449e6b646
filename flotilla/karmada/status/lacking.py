"""The reason why a copy isn't healthy, in words, derived from the status that Karmada has collected.

Health itself is Karmada's judgement (pkg/resourceinterpreter/default/native/healthy.go); these are its reasons, for the
kinds whose health Karmada interprets. Some of these kinds become healthy only if the cluster has a controller or
objects that serve them: a load balancer, an ingress controller, a storage class, pods of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flotilla.counts import counted
from flotilla.errors import ClusterError
from flotilla.karmada.kinds import GroupKind, group_of
from flotilla.karmada.objects import ResourceBinding
from flotilla.kube.objects import Object, ObjectRef

SERVICE: GroupKind = ("", "Service")
INGRESS: GroupKind = ("networking.k8s.io", "Ingress")
CLAIM: GroupKind = ("", "PersistentVolumeClaim")
BUDGET: GroupKind = ("policy", "PodDisruptionBudget")
DEPLOYMENT: GroupKind = ("apps", "Deployment")
_UPDATED = frozenset({DEPLOYMENT, ("apps", "StatefulSet")})
"""Kinds with replicas of which Karmada counts the updated ones. A status omits a count of zero."""
_REPLICATED = _UPDATED | {("apps", "ReplicaSet")}

Servers = Mapping[str, Mapping[GroupKind, ObjectRef]]
"""By cluster and kind, an object that is served there: it proves that the cluster serves the kind."""


def needs_server(kind: GroupKind, sent: Object) -> bool:
    """Return whether an object becomes healthy only if something in the cluster serves it.

    Args:
        kind: its kind.
        sent: what was sent to the cluster.
    """
    if kind == SERVICE:
        return _of(sent, "spec").get("type") == "LoadBalancer"
    return kind in (INGRESS, CLAIM, BUDGET)


def lacking(kind: GroupKind, sent: Object, status: Object, replicas: int | None = None) -> str:
    """Return what a copy lacks; empty where its kind isn't known, or nothing can be said.

    Args:
        kind: its kind.
        sent: what was sent to the cluster.
        status: the status that Karmada has collected.
        replicas: the cluster's share of the replicas; None for kinds without replicas.
    """
    if kind in _REPLICATED or replicas is not None:
        return _replicas(kind, status, replicas)
    if kind == ("apps", "DaemonSet"):
        return _daemons(status)
    if kind == SERVICE:
        return "no load balancer address yet" if needs_server(kind, sent) else ""
    if kind == INGRESS:
        return "no controller has given it an address yet"
    if kind == CLAIM:
        storage = _of(sent, "spec").get("storageClassName")
        which = f"storage class {storage}" if storage else "the default storage class"
        return f"{status.get('phase') or 'Pending'}, no volume is bound to it yet ({which})"
    if kind == BUDGET:
        wanted = counted(_number(status, "desiredHealthy"), "pod")
        return f"{_number(status, 'currentHealthy')} of the {wanted} that it wants healthy"
    if kind == ("", "Pod"):
        return f"the pod is {status.get('phase') or 'not seen yet'}"
    return _condition(status)


def not_replaced(kind: GroupKind, status: Object) -> str:
    """Return that a Deployment still runs replicas of an earlier version; empty where it doesn't.

    Karmada calls a Deployment healthy as soon as the number of available replicas reaches that of updated ones, and
    counts old replicas as available. So one replica whose new image can't be pulled counts as healthy, since the old
    replica still runs. `kubectl rollout status` waits until the old ones are gone as well.
    """
    if kind != DEPLOYMENT or "updatedReplicas" not in status:
        return ""
    old = _number(status, "replicas") - _number(status, "updatedReplicas")
    return f"{counted(old, 'old replica')} not replaced yet" if old > 0 else ""


def served(bindings: Iterable[ResourceBinding | ClusterError]) -> Servers:
    """Return which kinds are served in which clusters, as far as objects of the control plane prove it.

    Only Services and Ingresses prove it: if one has an address, something assigns addresses. A bound claim proves
    nothing about another claim, which may wait for its first pod.
    """
    found: dict[str, dict[GroupKind, ObjectRef]] = {}
    for binding in bindings:
        if isinstance(binding, ClusterError):
            continue
        resource = binding.spec.resource
        kind = (group_of(resource.api_version), resource.kind)
        if kind not in (SERVICE, INGRESS):
            continue
        ref = ObjectRef(resource.api_version, resource.kind, resource.name, resource.namespace or "")
        for item in binding.status.aggregated_status:
            if has_address(item.status or {}):
                found.setdefault(item.cluster_name, {}).setdefault(kind, ref)
    return found


def has_address(status: Object) -> bool:
    """Return whether the status of a Service or an Ingress has an address, by the rule of Karmada's interpreters."""
    listed = _of(status, "loadBalancer").get("ingress")
    return isinstance(listed, list) and any(
        isinstance(one, dict) and bool(one.get("ip") or one.get("hostname")) for one in listed
    )


def _replicas(kind: GroupKind, status: Object, replicas: int | None) -> str:
    """Return how many replicas are ready; where all are, what else Karmada requires."""
    wanted = replicas if replicas is not None else _number(status, "replicas")
    noun = counted(wanted, "replica")
    updated = _number(status, "updatedReplicas")
    if kind in _UPDATED and updated < wanted and _number(status, "replicas") > updated:
        return f"{updated} of {noun} updated"  # the ready ones may all be of the earlier version
    if _number(status, "readyReplicas") < wanted or kind not in _REPLICATED:
        return f"{_number(status, 'readyReplicas')} of {noun} ready"
    if kind in _UPDATED and updated < wanted:
        return f"{updated} of {noun} updated"
    if _number(status, "availableReplicas") < wanted:
        return f"{_number(status, 'availableReplicas')} of {noun} available"
    return not_replaced(kind, status) or "its controller has not seen the change yet"


def _daemons(status: Object) -> str:
    wanted = _number(status, "desiredNumberScheduled")
    for field, word in (("numberReady", "ready"), ("updatedNumberScheduled", "updated"), ("numberAvailable", "ready")):
        if _number(status, field) < wanted:
            return f"{_number(status, field)} of {counted(wanted, 'pod')} {word}"
    return "its controller has not seen the change yet"


def _condition(status: Object) -> str:
    """Return what the conditions of an object of any other kind report."""
    listed = status.get("conditions")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("type") in ("Ready", "Available") and one.get("status") != "True":
            why = ": ".join(str(part) for part in (one.get("reason"), one.get("message")) if part)
            return f"{one['type']} is {one.get('status')}" + (f": {why}" if why else "")
    return ""


def _number(status: Object, field: str) -> int:
    value = status.get(field)
    return value if isinstance(value, int) else 0


def _of(obj: Mapping[str, Any], key: str) -> Object:
    found = obj.get(key)
    return found if isinstance(found, dict) else {}
