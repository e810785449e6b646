"""The references of a template to other objects, as Karmada's own interpreters read them: its dependencies.

Karmada writes them into the annotation `resourcebinding.karmada.io/dependencies` of the template's ResourceBinding.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.karmada.kinds import GroupKind, kind_of
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef

_POD = ("spec",)
_TEMPLATE = ("spec", "template", "spec")
_PODS: dict[tuple[str, str], tuple[tuple[str, ...], Version]] = {
    ("v1", "Pod"): (_POD, SUPPORTED.oldest),
    ("apps/v1", "Deployment"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps/v1", "StatefulSet"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps/v1", "DaemonSet"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps/v1", "ReplicaSet"): (_TEMPLATE, Version(1, 16)),
    ("batch/v1", "Job"): (_TEMPLATE, SUPPORTED.oldest),
    ("batch/v1", "CronJob"): (("spec", "jobTemplate", "spec", "template", "spec"), SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "CloneSet"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "DaemonSet"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "BroadcastJob"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps.kruise.io/v1beta1", "StatefulSet"): (_TEMPLATE, SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "UnitedDeployment"): (_TEMPLATE, Version(1, 15)),
}
"""The path of the pod's spec in a kind, and the first version of Karmada that reads it."""
_INTERPRETED: dict[tuple[str, str], Version] = {
    ("apps.kruise.io/v1alpha1", "AdvancedCronJob"): SUPPORTED.oldest,
    ("apps.kruise.io/v1alpha1", "SidecarSet"): Version(1, 15),
    ("argoproj.io/v1alpha1", "Workflow"): SUPPORTED.oldest,
    ("helm.toolkit.fluxcd.io/v2beta1", "HelmRelease"): SUPPORTED.oldest,
    ("kubeflow.org/v1", "PyTorchJob"): Version(1, 16),
    ("kubeflow.org/v1", "TFJob"): Version(1, 16),
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"): SUPPORTED.oldest,
    ("ray.io/v1", "RayJob"): Version(1, 16),
    ("ray.io/v1", "RayService"): Version(1, 17),
    ("source.toolkit.fluxcd.io/v1", "GitRepository"): SUPPORTED.oldest,
    ("source.toolkit.fluxcd.io/v1beta2", "Bucket"): SUPPORTED.oldest,
    ("source.toolkit.fluxcd.io/v1beta2", "HelmChart"): SUPPORTED.oldest,
    ("source.toolkit.fluxcd.io/v1beta2", "HelmRepository"): SUPPORTED.oldest,
    ("source.toolkit.fluxcd.io/v1beta2", "OCIRepository"): SUPPORTED.oldest,
}
"""Kinds whose dependencies a script within Karmada reads (resourcecustomizations); these scripts aren't repeated
here."""
_INGRESS = ("networking.k8s.io/v1", "Ingress")
_SERVICE_IMPORT = ("multicluster.x-k8s.io/v1alpha1", "ServiceImport")
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")
_SECRET_REFS = {
    "cephfs": "secretRef",
    "cinder": "secretRef",
    "flexVolume": "secretRef",
    "rbd": "secretRef",
    "scaleIO": "secretRef",
    "iscsi": "secretRef",
    "storageos": "secretRef",
    "csi": "nodePublishSecretRef",
}
"""The field of a volume that refers to its Secret, by the type of the volume."""
_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, order=True)
class Reference:
    """A reference of a template: to one object by name, or to all objects with some labels."""

    api_version: str
    kind: str
    name: str
    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    """The labels of a reference without a name."""
    optional: bool = field(default=False, compare=False)
    """Whether the template declares the object optional wherever it refers to it. Karmada ignores that."""

    @property
    def ref(self) -> ObjectRef:
        """The object; without a name where the reference is by labels."""
        return ObjectRef(self.api_version, self.kind, self.name, self.namespace)

    def means(self, obj: Object) -> bool:
        """Return whether this reference, by name or by labels, selects an object."""
        meta = obj["metadata"]
        if (obj["apiVersion"], obj["kind"], meta.get("namespace") or "") != (
            self.api_version,
            self.kind,
            self.namespace,
        ):
            return False
        if self.name:
            return bool(meta["name"] == self.name)
        return bool(self.labels) and set(self.labels) <= set((meta.get("labels") or {}).items())

    def __str__(self) -> str:
        labels = ", ".join(f"{key}={value}" for key, value in self.labels)
        return f"{self.kind} {self.namespace}/ with {labels}" if labels else str(self.ref)


def references_of(
    template: Object, version: Version = SUPPORTED.newest, interpreted: Collection[GroupKind] = ()
) -> tuple[Reference, ...] | None:
    """Return the dependencies of a template according to Karmada, sorted and without duplicates.

    Args:
        template: the template, with its namespace.
        version: Karmada's version.
        interpreted: kinds whose dependencies a ResourceInterpreterCustomization of the control plane reads.

    Returns:
        The references; None where an interpreter that only Karmada can run determines them.
    """
    served = (str(template["apiVersion"]), str(template["kind"]))
    if kind_of(template) in interpreted or version >= _INTERPRETED.get(served, Version(99, 0)):
        return None
    namespace = str(template["metadata"].get("namespace") or "")
    if served == _SERVICE_IMPORT:
        return _derived(str(template["metadata"]["name"]), namespace)
    if served == _INGRESS:
        named = [str(one.get("secretName") or "") for one in _maps(_map(template.get("spec")).get("tls"))]
        return _once(Reference("v1", "Secret", name, namespace) for name in named)
    path, since = _PODS.get(served, ((), Version(99, 0)))
    if version < since:
        return ()
    pod: Any = template
    for step in path:
        pod = _map(pod).get(step)
    found = _once(
        Reference("v1", kind, name, namespace, optional=optional) for kind, name, optional in _of_pod(_map(pod)) if name
    )
    if served != ("apps/v1", "StatefulSet"):
        return found
    own = {_map(claim.get("metadata")).get("name") for claim in _maps(template["spec"].get("volumeClaimTemplates"))}
    return tuple(one for one in found if one.kind != "PersistentVolumeClaim" or one.name not in own)


def refers_to(
    template: Object, obj: Object, version: Version = SUPPORTED.newest, interpreted: Collection[GroupKind] = ()
) -> bool:
    """Return whether Karmada counts an object as a dependency of a template; false where only an interpreter knows.

    Args:
        template: the template, with its namespace.
        obj: the object, with its namespace.
        version: Karmada's version.
        interpreted: see `references_of`.
    """
    return any(one.means(obj) for one in references_of(template, version, interpreted) or ())


def _derived(name: str, namespace: str) -> tuple[Reference, ...]:
    """Return the objects that Karmada derives from a ServiceImport: a Service and its EndpointSlices."""
    service = f"derived-{name}"
    return (
        Reference("v1", "Service", service, namespace),
        Reference("discovery.k8s.io/v1", "EndpointSlice", "", namespace, ((_SERVICE_NAME, service),)),
    )


def _once(references: Iterable[Reference]) -> tuple[Reference, ...]:
    """Return each reference once; it is optional if it is optional everywhere."""
    found: dict[Reference, Reference] = {}
    for one in references:
        known = found.get(one, one)
        found[one] = replace(one, optional=one.optional and known.optional)
    return tuple(sorted(found.values()))


def _of_pod(pod: Object) -> Iterator[tuple[str, str, bool]]:
    """Yield the references of a pod's spec: kind, name, and whether the reference is optional."""
    for secret in _maps(pod.get("imagePullSecrets")):
        yield "Secret", _name(secret), False
    for section in _CONTAINERS:
        for container in _maps(pod.get(section)):
            yield from _of_container(container)
    for volume in _maps(pod.get("volumes")):
        yield from _of_volume(volume)
    # The API server copies serviceAccountName and its older name, serviceAccount, from each other.
    account = str(pod.get("serviceAccountName") or pod.get("serviceAccount") or "")
    if account != "default":
        yield "ServiceAccount", account, False


def _of_container(container: Object) -> Iterator[tuple[str, str, bool]]:
    for source in _maps(container.get("envFrom")):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            yield kind, _name(source.get(key)), _optional(source.get(key))
    for variable in _maps(container.get("env")):
        source = _map(variable.get("valueFrom"))
        for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            yield kind, _name(source.get(key)), _optional(source.get(key))


def _of_volume(volume: Object) -> Iterator[tuple[str, str, bool]]:
    config, secret = _map(volume.get("configMap")), _map(volume.get("secret"))
    yield "ConfigMap", _name(config), _optional(config)
    yield "Secret", str(secret.get("secretName") or ""), _optional(secret)
    for source in _maps(_map(volume.get("projected")).get("sources")):
        for key, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            yield kind, _name(source.get(key)), _optional(source.get(key))
    yield "Secret", str(_map(volume.get("azureFile")).get("secretName") or ""), False
    for key, reference in _SECRET_REFS.items():
        yield "Secret", _name(_map(volume.get(key)).get(reference)), False
    yield "PersistentVolumeClaim", str(_map(volume.get("persistentVolumeClaim")).get("claimName") or ""), False


def _name(reference: Any) -> str:
    return str(_map(reference).get("name") or "")


def _optional(reference: Any) -> bool:
    return _map(reference).get("optional") is True


def _map(value: Any) -> Object:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Object]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
