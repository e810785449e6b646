"""What is known of a kind: whether it has a namespace, and which of its versions Karmada looks at.

Sources, the first that knows counts: CustomResourceDefinitions among the stack's manifests, what the control plane
serves, the kinds that Kubernetes itself has. A kind is a group and a name: another group's ClusterRole is another kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla.kube.objects import Object

GroupKind = tuple[str, str]
"""A group (empty for the core) and a kind."""
Identity = tuple[str, str, str, str]
"""Group, kind, namespace and name: what makes an object the same one in every version of its group."""

DEFINITION: GroupKind = ("apiextensions.k8s.io", "CustomResourceDefinition")
NAMESPACE: GroupKind = ("", "Namespace")
SKIP_PROPAGATION = "namespace.karmada.io/skip-auto-propagation"

# Kubernetes 1.37 and before. Every other kind of these groups has a namespace.
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
# The version that every API server since Kubernetes 1.23 prefers, where it isn't v1.
_PREFERRED: Mapping[GroupKind, str] = {("autoscaling", "HorizontalPodAutoscaler"): "autoscaling/v2"}
_VERSION = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")
# The versions that groups have had, for the resource types under which an object may be in a state.
_VERSIONS = ("v1", "v2", "v1beta1", "v1beta2", "v1beta3", "v2beta1", "v2beta2", "v1alpha1", "v1alpha2", "v1alpha3")


def group_of(api_version: str) -> str:
    """Return the group of an apiVersion; empty for the core."""
    return api_version.rpartition("/")[0]


def is_built_in(group: str) -> bool:
    """Return whether a group is one of Kubernetes' own."""
    return group in _CLUSTER_SCOPED


def kind_of(obj: Object) -> GroupKind:
    """Return the group and kind of an object."""
    return group_of(str(obj["apiVersion"])), str(obj["kind"])


def identity(obj: Object, namespace: str = "") -> Identity:
    """Return what makes an object the same one in every version of its group: group, kind, namespace, name."""
    group, kind = kind_of(obj)
    meta = obj["metadata"]
    return group, kind, str(meta.get("namespace") or namespace), str(meta["name"])


def other_versions(api_version: str) -> list[str]:
    """Return the other versions that a group may have had; none for the core, which has one."""
    group, _, version = api_version.rpartition("/")
    return [f"{group}/{other}" for other in _VERSIONS if other != version] if group else []


@dataclass(frozen=True)
class Kinds:
    """What is known beside Kubernetes' own kinds."""

    namespaced: Mapping[GroupKind, bool] = field(default_factory=dict)
    """Whether a kind's objects have a namespace."""
    preferred: Mapping[GroupKind, str] = field(default_factory=dict)
    """The apiVersion in which the API server prefers to serve a kind."""

    def over(self, other: Kinds) -> Kinds:
        """Return both; where both know a kind, this one counts."""
        return Kinds({**other.namespaced, **self.namespaced}, {**other.preferred, **self.preferred})

    def has_namespace(self, kind: GroupKind) -> bool | None:
        """Return whether a kind's objects have a namespace; None where nothing says it."""
        if kind in self.namespaced:
            return self.namespaced[kind]
        group, name = kind
        return name not in _CLUSTER_SCOPED[group] if group in _CLUSTER_SCOPED else None

    def cluster_scoped(self, obj: Object) -> bool:
        """Return whether an object has no namespace. A kind that nobody knows counts as namespaced."""
        return self.has_namespace(kind_of(obj)) is False

    def preferred_version(self, kind: GroupKind) -> str:
        """Return the apiVersion in which Karmada looks at a kind; empty where nothing says it."""
        return self.preferred.get(kind) or _PREFERRED.get(kind, "")


BUILT_IN = Kinds()
"""Kubernetes' own kinds alone."""


def namespace_of(obj: Object, default: str, kinds: Kinds = BUILT_IN) -> str:
    """Return the namespace of a workload's object; empty where its kind has none.

    Args:
        obj: the object as written.
        default: the namespace of objects that name none: the workload's.
        kinds: what is known of custom kinds.
    """
    return "" if kinds.cluster_scoped(obj) else str(obj["metadata"].get("namespace") or default)


def in_namespace(obj: Object, default: str, kinds: Kinds = BUILT_IN) -> Object:
    """Return an object with its namespace written out, and without one where its kind has none.

    The arguments are those of `namespace_of`. An object of a custom kind that nothing is known of yet gets a namespace;
    it loses it again where this is asked once more with what is known then.
    """
    namespace = namespace_of(obj, default, kinds)
    metadata = {key: value for key, value in obj["metadata"].items() if key != "namespace"}
    return {**obj, "metadata": {**metadata, **({"namespace": namespace} if namespace else {})}}


def defined_kinds(manifests: Iterable[Object]) -> Kinds:
    """Return what the CustomResourceDefinitions among manifests say of their kinds."""
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
    """Order versions as API servers do: stable ones before betas before alphas, then the higher number."""
    found = _VERSION.fullmatch(version)
    if not found:
        return (-1, 0, 0, version)
    stage = {"alpha": 0, "beta": 1, None: 2}[found[2]]
    return (stage, int(found[1]), int(found[3] or 0), version)


def expires(obj: Object) -> bool:
    """Return whether an object is deleted by itself when it is done: a Job with `ttlSecondsAfterFinished`.

    Such a Job that isn't there has done its work, for all that anybody can know.
    """
    spec = obj.get("spec")
    return (
        kind_of(obj) == ("batch", "Job") and isinstance(spec, dict) and spec.get("ttlSecondsAfterFinished") is not None
    )


def goes_by_itself(template: Object) -> bool:
    """Return whether Karmada sends an object to every member without a policy, as it does with namespaces.

    A policy that selects such a Namespace sends it by a second Work of the same name, and neither is ever reported.
    With the label `namespace.karmada.io/skip-auto-propagation: "true"` a Namespace goes by policy, as anything else.
    """
    labels = template["metadata"].get("labels")
    skips = labels.get(SKIP_PROPAGATION) if isinstance(labels, dict) else None
    return kind_of(template) == NAMESPACE and str(skips).lower() != "true"
