"""The kinds whose health Karmada judges. Of other kinds it only knows whether they are applied."""

from __future__ import annotations

from flotilla.karmada.kinds import GroupKind
from flotilla.karmada.propagation import HEALTH_IGNORED
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object

_WITH_HEALTH: frozenset[GroupKind] = frozenset(
    {
        ("apps", "Deployment"),
        ("apps", "StatefulSet"),
        ("apps", "ReplicaSet"),
        ("apps", "DaemonSet"),
        ("", "Service"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("networking.k8s.io", "Ingress"),
        ("policy", "PodDisruptionBudget"),
    }
)
"""The kinds whose health every supported Karmada interprets (getAllDefaultHealthInterpreter)."""


def is_judged(kind: GroupKind, version: Version | None) -> bool:
    """Return whether Karmada judges the health of a kind, so that `Unknown` means that the health isn't known.

    Before 1.12, every kind without an interpreter (a ConfigMap, a Job) has the health Unknown. Since 1.12, such kinds
    are Healthy, and Unknown means that an interpreter has failed.
    """
    return kind in _WITH_HEALTH or (version is not None and version >= Version(1, 12))


def is_plain(kind: GroupKind) -> bool:
    """Return whether a kind is one of Kubernetes' own for which Karmada has no interpreter of health."""
    group, _ = kind
    return kind not in _WITH_HEALTH and ("." not in group or group.endswith(".k8s.io"))


def health_ignored(template: Object) -> bool:
    """Return whether a template says that a rollout doesn't wait for its health."""
    return (template["metadata"].get("annotations") or {}).get(HEALTH_IGNORED) == "true"
