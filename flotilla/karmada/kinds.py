"""Facts about kinds: whether their objects have a namespace, and in which apiVersion Karmada reads them.

Sources, in order of precedence: CustomResourceDefinitions among the stack's manifests, what the control plane serves,
and the kinds of Kubernetes itself. A kind consists of a group and a name: a ClusterRole of another group is another
kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla.kube.objects import Object

GroupKind = tuple[str, str]
"""A group (empty for the core group) and a kind."""
Identity = tuple[str, str, str, str]
"""Group, kind, namespace and name: they identify an object in every version of its group."""

DEFINITION: GroupKind = ("apiextensions.k8s.io", "CustomResourceDefinition")
NAMESPACE: GroupKind = ("", "Namespace")
SKIP_PROPAGATION = "namespace.karmada.io/skip-auto-propagation"

# Kubernetes 1.37 and older. Objects of every other kind of these groups have a namespace.
_CLUSTER_SCOPED: Mapping[str, frozenset[str]] = {
    "": frozenset({"ComponentStatus", "Namespace", "Node", "PersistentVolume"}),
    "admissionregistration.k8s.io": frozenset(
        {
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "MutatingWebhookConfiguration",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
            "ValidatingWebhookConfiguration",
        }
    ),
    "apiextensions.k8s.io": frozenset({"CustomResourceDefinition"}),
    "apiregistration.k8s.io": frozenset({"APIService"}),
    "apps": frozenset(),
    "authentication.k8s.io": frozenset({"SelfSubjectReview", "TokenReview"}),
    "authorization.k8s.io": frozenset({"SelfSubjectAccessReview", "SelfSubjectRulesReview", "SubjectAccessReview"}),
    "autoscaling": frozenset(),
    "batch": frozenset(),
    "certificates.k8s.io": frozenset({"CertificateSigningRequest", "ClusterTrustBundle"}),
    "coordination.k8s.io": frozenset(),
    "discovery.k8s.io": frozenset(),
    "events.k8s.io": frozenset(),
    "extensions": frozenset({"PodSecurityPolicy"}),
    "flowcontrol.apiserver.k8s.io": frozenset({"FlowSchema", "PriorityLevelConfiguration"}),
    "internal.apiserver.k8s.io": frozenset({"StorageVersion"}),
    "networking.k8s.io": frozenset({"ClusterCIDR", "IPAddress", "IngressClass", "ServiceCIDR"}),
    "node.k8s.io": frozenset({"RuntimeClass"}),
    "policy": frozenset({"PodSecurityPolicy"}),
    "rbac.authorization.k8s.io": frozenset({"ClusterRole", "ClusterRoleBinding"}),
    "resource.k8s.io": frozenset({"DeviceClass", "DeviceTaintRule", "ResourceSlice"}),
    "scheduling.k8s.io": frozenset({"PriorityClass"}),
    "storage.k8s.io": frozenset({"CSIDriver", "CSINode", "StorageClass", "VolumeAttachment", "VolumeAttributesClass"}),
    "storagemigration.k8s.io": frozenset({"StorageVersionMigration"}),
}
# The version that API servers prefer since Kubernetes 1.23, for kinds where it isn't v1.
_PREFERRED: Mapping[GroupKind, str] = {("autoscaling", "HorizontalPodAutoscaler"): "autoscaling/v2"}
_VERSION = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")
# The versions that groups have had: a state may contain an object under the resource type of any of them.
_VERSIONS = ("v1", "v2", "v1beta1", "v1beta2", "v1beta3", "v2beta1", "v2beta2", "v1alpha1", "v1alpha2", "v1alpha3")


def group_of(api_version: str) -> str:
    """Return the group of an apiVersion; empty for the core group."""
    return api_version.rpartition("/")[0]


def is_built_in(group: str) -> bool:
    """Return whether a group is one of Kubernetes' own."""
    return group in _CLUSTER_SCOPED


def kind_of(obj: Object) -> GroupKind:
    """Return the group and kind of an object."""
    return group_of(str(obj["apiVersion"])), str(obj["kind"])


def identity(obj: Object, namespace: str = "") -> Identity:
    """Return what identifies an object in every version of its group: group, kind, namespace, name."""
    group, kind = kind_of(obj)
    meta = obj["metadata"]
    return group, kind, str(meta.get("namespace") or namespace), str(meta["name"])


def other_versions(api_version: str) -> list[str]:
    """Return the other versions that a group may have had; none for the core group, which has only one."""
    group, _, version = api_version.rpartition("/")
    return [f"{group}/{other}" for other in _VERSIONS if other != version] if group else []


@dataclass(frozen=True)
class Kinds:
    """Facts about kinds in addition to Kubernetes' own."""

    namespaced: Mapping[GroupKind, bool] = field(default_factory=dict)
    """Whether a kind's objects have a namespace."""
    preferred: Mapping[GroupKind, str] = field(default_factory=dict)
    """The apiVersion in which the API server prefers to serve a kind."""

    def over(self, other: Kinds) -> Kinds:
        """Return the facts of both; for a kind that both know, those of `self` count."""
        return Kinds({**other.namespaced, **self.namespaced}, {**other.preferred, **self.preferred})

    def has_namespace(self, kind: GroupKind) -> bool | None:
        """Return whether a kind's objects have a namespace; None where that isn't known."""
        if kind in self.namespaced:
            return self.namespaced[kind]
        group, name = kind
        return name not in _CLUSTER_SCOPED[group] if group in _CLUSTER_SCOPED else None

    def cluster_scoped(self, obj: Object) -> bool:
        """Return whether an object has no namespace. An unknown kind counts as namespaced."""
        return self.has_namespace(kind_of(obj)) is False

    def preferred_version(self, kind: GroupKind) -> str:
        """Return the apiVersion in which Karmada reads a kind; empty where that isn't known."""
        return self.preferred.get(kind) or _PREFERRED.get(kind, "")


BUILT_IN = Kinds()
"""Only Kubernetes' own kinds."""


def namespace_of(obj: Object, default: str, kinds: Kinds = BUILT_IN) -> str:
    """Return the namespace of a workload's object; empty where its kind has none.

    Args:
        obj: the object as written.
        default: the workload's namespace, for objects that don't name one.
        kinds: facts about custom kinds.
    """
    return "" if kinds.cluster_scoped(obj) else str(obj["metadata"].get("namespace") or default)


def in_namespace(obj: Object, default: str, kinds: Kinds = BUILT_IN) -> Object:
    """Return an object with an explicit namespace; without one where its kind has none.

    The arguments are those of `namespace_of`. An object of a custom kind that is not known yet gets a namespace; a
    later call, with facts about the kind, removes it where the kind has none.
    """
    namespace = namespace_of(obj, default, kinds)
    metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
    return {**obj, "metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}


def defined_kinds(manifests: Iterable[Object]) -> Kinds:
    """Return the facts that the CustomResourceDefinitions among manifests state about the kinds they define."""
    namespaced: dict[GroupKind, bool] = {}
    preferred: dict[GroupKind, str] = {}
    for manifest in manifests:
        kind = defined_kind(manifest)
        if kind is None:
            continue
        spec = manifest["spec"]
        namespaced[kind] = spec.get("scope") != "Cluster"
        listed = spec.get("versions")
        served = [str(v.get("name")) for v in listed or [] if isinstance(v, dict) and v.get("served")]
        if served:
            preferred[kind] = f"{kind[0]}/{max(served, key=_rank)}"
    return Kinds(namespaced, preferred)


def defined_kind(manifest: Object) -> GroupKind | None:
    """Return the kind that a CustomResourceDefinition defines; None for anything else."""
    if kind_of(manifest) != DEFINITION:
        return None
    spec = manifest.get("spec")
    names = spec.get("names") if isinstance(spec, dict) else None
    if not isinstance(spec, dict) or not isinstance(names, dict) or not names.get("kind"):
        return None
    return str(spec.get("group") or ""), str(names["kind"])


def _rank(version: str) -> tuple[int, int, int, str]:
    """Return a sort key by which API servers order versions: stable over beta over alpha, then the higher number."""
    found = _VERSION.fullmatch(version)
    if not found:
        return (-1, 0, 0, version)
    stage = {"alpha": 0, "beta": 1, None: 2}[found[2]]
    return (stage, int(found[1]), int(found[3] or 0), version)


def expires(obj: Object) -> bool:
    """Return whether an object is deleted by itself when it is done: a Job with `ttlSecondsAfterFinished`.

    If such a Job doesn't exist, it has probably finished; nothing can prove otherwise.
    """
    spec = obj.get("spec")
    return (
        kind_of(obj) == ("batch", "Job") and isinstance(spec, dict) and spec.get("ttlSecondsAfterFinished") is not None
    )


def goes_by_itself(template: Object) -> bool:
    """Return whether Karmada sends an object to every member without a policy, as it does with namespaces.

    If a policy selects such a Namespace, Karmada makes a second Work of the same name, and never reports either.
    The label `namespace.karmada.io/skip-auto-propagation: "true"` makes policies send a Namespace like other objects.
    """
    labels = template["metadata"].get("labels")
    skips = labels.get(SKIP_PROPAGATION) if isinstance(labels, dict) else None
    return kind_of(template) == NAMESPACE and str(skips).lower() != "true"
