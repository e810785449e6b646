"""Objects of the control plane itself, built from manifests: their scope, their order, and which objects they name.

These are pure functions over plain dicts. `control_plane_kinds` lists the kinds.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from enum import IntEnum

from flotilla.karmada.control_plane_kinds import (
    CRON_FEDERATED_HPA,
    FEDERATED_HPA,
    MULTI_CLUSTER_INGRESS,
    MULTI_CLUSTER_SERVICE,
    REBALANCER,
    SERVICE,
    SERVICE_EXPORT,
    SERVICE_IMPORT,
    target_of,
)
from flotilla.karmada.kinds import DEFINITION, NAMESPACE, GroupKind, Identity, Kinds, group_of, kind_of
from flotilla.karmada.propagation import SKIP_AWAIT
from flotilla.kube.objects import Object

_DEFAULT = "default"
_RIGHTS = "rbac.authorization.k8s.io"
_ACCOUNT: GroupKind = ("", "ServiceAccount")
_AFTER_WORKLOADS = frozenset(
    {FEDERATED_HPA, CRON_FEDERATED_HPA, MULTI_CLUSTER_SERVICE, MULTI_CLUSTER_INGRESS, SERVICE_EXPORT, SERVICE_IMPORT}
    | {REBALANCER}
)


class Stage(IntEnum):
    """When an object is declared. A destroy goes through the stages in reverse."""

    NAMESPACES = 0
    DEFINITIONS = 1
    RIGHTS = 2
    FIRST = 3
    """Before the workloads: interpreters, quotas, taint policies, configuration."""
    LAST = 4
    """After the workloads that they name: autoscalers, services across clusters, rebalancing."""


def stage_of(obj: Object) -> Stage:
    """Return the stage in which an object is declared."""
    kind = kind_of(obj)
    if kind == NAMESPACE:
        return Stage.NAMESPACES
    if kind == DEFINITION:
        return Stage.DEFINITIONS
    if kind[0] == _RIGHTS or kind == _ACCOUNT:
        return Stage.RIGHTS
    return Stage.LAST if kind in _AFTER_WORKLOADS else Stage.FIRST


def control_plane_object(manifest: Object, kinds: Kinds) -> Object:
    """Return a manifest as an object of the control plane.

    Args:
        manifest: the object as written.
        kinds: facts about kinds that Kubernetes itself doesn't have. The namespace of an object of an unknown kind
            stays as it is.
    """
    result = deepcopy(manifest)
    metadata = result["metadata"]
    namespaced = kinds.has_namespace(kind_of(result))
    if namespaced is False:
        metadata.pop("namespace", None)  # the API server drops it silently
    elif namespaced and not metadata.get("namespace"):
        metadata["namespace"] = _DEFAULT
    if kind_of(result) == SERVICE:
        # A control plane has no endpoints and no load balancers: a wait for them would never end.
        metadata["annotations"] = {**(metadata.get("annotations") or {}), SKIP_AWAIT: "true"}
    return result


def named_by(obj: Object) -> Iterator[Identity]:
    """Yield the objects that an object names and that have to exist before it: scale targets, services, workloads."""
    kind = kind_of(obj)
    target = target_of(obj)
    if target:
        (group, name_of_kind), namespace, name = target
        yield group, name_of_kind, namespace, name
    elif kind in (MULTI_CLUSTER_SERVICE, SERVICE_EXPORT):
        yield *SERVICE, str(obj["metadata"].get("namespace") or ""), str(obj["metadata"]["name"])
    elif kind == MULTI_CLUSTER_INGRESS:
        for service in sorted(set(_backends(_spec(obj)))):
            yield *SERVICE, str(obj["metadata"].get("namespace") or ""), service
    elif kind == REBALANCER:
        yield from rebalanced(obj)


def rebalanced(rebalancer: Object) -> Iterator[Identity]:
    """Yield the templates that a WorkloadRebalancer makes Karmada schedule again."""
    listed = _spec(rebalancer).get("workloads")
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and one.get("kind") and one.get("name"):
            group = group_of(str(one.get("apiVersion") or ""))
            yield group, str(one["kind"]), str(one.get("namespace") or ""), str(one["name"])


def _spec(obj: Object) -> Object:
    spec = obj.get("spec")
    return spec if isinstance(spec, dict) else {}


def _backends(value: object) -> Iterator[str]:
    """Yield the names of the services that an ingress routes to, at any depth."""
    if isinstance(value, dict):
        service = value.get("service")
        if isinstance(service, dict) and service.get("name"):
            yield str(service["name"])
        for item in value.values():
            yield from _backends(item)
    elif isinstance(value, list):
        for item in value:
            yield from _backends(item)
