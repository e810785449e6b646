"""Karmada's Helm chart: its components, and the differences between its versions.

Source: the chart's values and templates from 1.10 to 1.18 (charts/karmada).
"""

from __future__ import annotations

from dataclasses import dataclass

from flotilla.karmada.versions import Version

RELEASE = "karmada"
"""The release's name, which is a part of every object's name."""

SYSTEM_NAMESPACE = "karmada-system"


@dataclass(frozen=True)
class Component:
    """One image of the chart, with the pods that run it."""

    path: str
    """The path of its values: `etcd.internal`."""
    repository: str
    """The chart's image repository."""
    replicas: int | None = 1
    """The chart's number of replicas; None for a component without pods, or with pods per member."""
    karmada: bool = True
    """Whether it is Karmada's own: its tag is then Karmada's version."""
    floats: bool = True
    """Whether the chart gives it the tag `latest`; the chart pins the tags of the others, in each version."""
    registry: str = "docker.io"
    """The chart's registry."""


def _kubernetes(path: str, repository: str) -> Component:
    return Component(path, repository, karmada=False, floats=False, registry="registry.k8s.io")


COMPONENTS = {
    "apiServer": _kubernetes("apiServer", "kube-apiserver"),
    "etcd": _kubernetes("etcd.internal", "etcd"),
    "kubeControllerManager": _kubernetes("kubeControllerManager", "kube-controller-manager"),
    "aggregatedApiServer": Component("aggregatedApiServer", "karmada/karmada-aggregated-apiserver"),
    "controllerManager": Component("controllerManager", "karmada/karmada-controller-manager"),
    "scheduler": Component("scheduler", "karmada/karmada-scheduler"),
    "webhook": Component("webhook", "karmada/karmada-webhook"),
    "descheduler": Component("descheduler", "karmada/karmada-descheduler", replicas=2),
    "search": Component("search", "karmada/karmada-search", replicas=2),
    "metricsAdapter": Component("metricsAdapter", "karmada/karmada-metrics-adapter"),
    "schedulerEstimator": Component("schedulerEstimator", "karmada/karmada-scheduler-estimator", replicas=None),
    "agent": Component("agent", "karmada/karmada-agent", replicas=None),
    "cfssl": Component("cfssl", "cfssl/cfssl", replicas=None, karmada=False),
    "kubectl": Component("kubectl", "bitnami/kubectl", replicas=None, karmada=False),
}
"""The chart's components, by their names in the chart's values."""

CORE = (
    "apiServer",
    "etcd",
    "kubeControllerManager",
    "aggregatedApiServer",
    "controllerManager",
    "scheduler",
    "webhook",
)
"""The components of every installation, in the order in which they start."""

FEATURE_GATES = {
    "controllerManager": Version(1, 10),
    "schedulerEstimator": Version(1, 10),
    "scheduler": Version(1, 16),
    "webhook": Version(1, 14),
}
"""The components whose feature gates the chart can set, with the first version that can."""

CA_EXPIRY = Version(1, 16)
"""The first version whose chart can set the CA's lifetime; before, it is 365 days (karmada#6436)."""

CHART_HOSTS = (
    "kubernetes.default.svc",
    "*.etcd.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}",
    "*.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}",
    "*.{{ .Release.Namespace }}.svc",
    "localhost",
    "127.0.0.1",
)
"""The names in the chart's own certificate."""
