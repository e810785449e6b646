"""Kinds whose objects take effect in the control plane itself, and the version in which Karmada introduced each.

Source: Karmada's published CustomResourceDefinitions of 1.10 to 1.18 (charts/karmada/_crds), and the changelogs of 1.14
(ClusterTaintPolicy, PR 6319) and 1.15 (componentResource, PR 6659).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from flotilla.karmada.kinds import DEFINITION, NAMESPACE, GroupKind, Kinds, group_of, is_built_in, kind_of
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object

FEDERATED_HPA: GroupKind = ("autoscaling.karmada.io", "FederatedHPA")
CRON_FEDERATED_HPA: GroupKind = ("autoscaling.karmada.io", "CronFederatedHPA")
REBALANCER: GroupKind = ("apps.karmada.io", "WorkloadRebalancer")
MULTI_CLUSTER_SERVICE: GroupKind = ("networking.karmada.io", "MultiClusterService")
MULTI_CLUSTER_INGRESS: GroupKind = ("networking.karmada.io", "MultiClusterIngress")
SERVICE_EXPORT: GroupKind = ("multicluster.x-k8s.io", "ServiceExport")
SERVICE_IMPORT: GroupKind = ("multicluster.x-k8s.io", "ServiceImport")
SERVICE: GroupKind = ("", "Service")
QUOTA: GroupKind = ("policy.karmada.io", "FederatedResourceQuota")
_INTERPRETER: GroupKind = ("config.karmada.io", "ResourceInterpreterCustomization")
_INTERPRETER_WEBHOOK: GroupKind = ("config.karmada.io", "ResourceInterpreterWebhookConfiguration")
INTERPRETERS = (_INTERPRETER, _INTERPRETER_WEBHOOK)
"""The kinds that define how Karmada interprets other kinds."""
_KARMADA = ".karmada.io"


@dataclass(frozen=True)
class OwnKind:
    """One of Karmada's kinds whose objects users declare in the control plane."""

    plural: str
    namespaced: bool
    since: Version = SUPPORTED.oldest
    version: str = "v1alpha1"


KINDS: Mapping[GroupKind, OwnKind] = {
    FEDERATED_HPA: OwnKind("federatedhpas", namespaced=True),
    CRON_FEDERATED_HPA: OwnKind("cronfederatedhpas", namespaced=True),
    REBALANCER: OwnKind("workloadrebalancers", namespaced=False),
    MULTI_CLUSTER_SERVICE: OwnKind("multiclusterservices", namespaced=True),
    MULTI_CLUSTER_INGRESS: OwnKind("multiclusteringresses", namespaced=True),
    SERVICE_EXPORT: OwnKind("serviceexports", namespaced=True),
    SERVICE_IMPORT: OwnKind("serviceimports", namespaced=True),
    _INTERPRETER: OwnKind("resourceinterpretercustomizations", namespaced=False),
    _INTERPRETER_WEBHOOK: OwnKind("resourceinterpreterwebhookconfigurations", namespaced=False),
    ("policy.karmada.io", "ClusterTaintPolicy"): OwnKind(
        "clustertaintpolicies", namespaced=False, since=Version(1, 14)
    ),
    QUOTA: OwnKind("federatedresourcequotas", namespaced=True),
    ("remedy.karmada.io", "Remedy"): OwnKind("remedies", namespaced=False),
    ("search.karmada.io", "ResourceRegistry"): OwnKind("resourceregistries", namespaced=False),
}
"""Karmada's kinds that `flotilla:objects` accepts. ResourceRegistry is served where karmada-search is installed."""

OWN_KINDS = Kinds(
    {kind: own.namespaced for kind, own in KINDS.items()},
    {kind: f"{kind[0]}/{own.version}" for kind, own in KINDS.items()},
)
"""Their scope and version, in the form of `flotilla.karmada.kinds`."""

_FIELDS: Mapping[GroupKind, tuple[tuple[tuple[str, ...], Version], ...]] = {
    _INTERPRETER: ((("spec", "customizations", "componentResource"), Version(1, 15)),),
    FEDERATED_HPA: (
        (("spec", "behavior", "scaleUp", "tolerance"), Version(1, 15)),
        (("spec", "behavior", "scaleDown", "tolerance"), Version(1, 15)),
    ),
}
"""Fields that older versions drop silently, with the version that introduced them."""

# Those of Kubernetes' own kinds that the control plane's API server itself acts on, or that its users read. All other
# kinds of these groups need nodes or controllers, which a control plane doesn't have.
_ACTING = frozenset(
    {
        NAMESPACE,
        DEFINITION,
        SERVICE,
        ("", "ConfigMap"),
        ("", "Secret"),
        ("", "ServiceAccount"),
        ("", "ResourceQuota"),
        ("", "LimitRange"),
        ("scheduling.k8s.io", "PriorityClass"),
        ("apiregistration.k8s.io", "APIService"),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    }
)
_ACTING_GROUPS = frozenset({"rbac.authorization.k8s.io", "admissionregistration.k8s.io"})


class Place(StrEnum):
    """Where an object belongs."""

    CONTROL_PLANE = "control plane"
    """It takes effect there."""
    WORKLOAD = "workload"
    """It runs in members, if a policy sends it there."""
    MEMBER = "member"
    """Karmada's Cluster: a member of the stack."""
    POLICY = "policy"
    """It is generated from a workload's placement and overrides."""
    CONTROLLERS = "controllers"
    """Karmada's controllers make it."""
    UNKNOWN = "unknown"
    """Its group is Karmada's, but its kind isn't one that Karmada has."""


_PLACES: Mapping[GroupKind, Place] = {
    ("cluster.karmada.io", "Cluster"): Place.MEMBER,
    ("policy.karmada.io", "PropagationPolicy"): Place.POLICY,
    ("policy.karmada.io", "ClusterPropagationPolicy"): Place.POLICY,
    ("policy.karmada.io", "OverridePolicy"): Place.POLICY,
    ("policy.karmada.io", "ClusterOverridePolicy"): Place.POLICY,
    ("work.karmada.io", "Work"): Place.CONTROLLERS,
    ("work.karmada.io", "ResourceBinding"): Place.CONTROLLERS,
    ("work.karmada.io", "ClusterResourceBinding"): Place.CONTROLLERS,
}


def place_of(obj: Object) -> Place:
    """Return where an object belongs. Objects of custom kinds of other groups may take effect in the control plane."""
    kind = kind_of(obj)
    if kind in KINDS:
        return Place.CONTROL_PLANE
    if kind in _PLACES:
        return _PLACES[kind]
    if kind[0].endswith(_KARMADA):
        return Place.UNKNOWN
    if not is_built_in(kind[0]) or kind in _ACTING or kind[0] in _ACTING_GROUPS:
        return Place.CONTROL_PLANE
    return Place.WORKLOAD


def too_new(obj: Object, version: Version) -> Iterator[tuple[str, Version]]:
    """Yield what a version lacks of an object, the whole kind ('') or a field, with the first version that has it."""
    kind = kind_of(obj)
    own = KINDS.get(kind)
    if own and version < own.since:
        yield "", own.since
        return
    for path, since in _FIELDS.get(kind, ()):
        if version < since and _has(obj, path):
            yield ".".join(path), since


def another_version(obj: Object) -> str:
    """Return the apiVersion in which Karmada has a kind, if the object is written in another one; else ''."""
    known = OWN_KINDS.preferred.get(kind_of(obj), "")
    return known if known and known != obj["apiVersion"] else ""


def _has(value: object, path: tuple[str, ...]) -> bool:
    for step in path:
        if not isinstance(value, dict) or value.get(step) is None:
            return False
        value = value[step]
    return True


def target_of(scaler: Object) -> tuple[GroupKind, str, str] | None:
    """Return the target of a FederatedHPA or a CronFederatedHPA: kind, namespace, name; None for any other object."""
    if kind_of(scaler) not in (FEDERATED_HPA, CRON_FEDERATED_HPA):
        return None
    spec = scaler.get("spec")
    target = spec.get("scaleTargetRef") if isinstance(spec, dict) else None
    if not isinstance(target, dict):
        return None
    namespace = str(scaler["metadata"].get("namespace") or "default")
    kind = (group_of(str(target.get("apiVersion") or "")), str(target.get("kind") or ""))
    return kind, namespace, str(target.get("name") or "")
