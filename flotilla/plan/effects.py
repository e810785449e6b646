"""The effect of a plan on a copy of a workload, as data: restarted pods, lost objects, and whether it stops."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.scheduling import replicas_field, replicas_of
from flotilla.kube.objects import Object, ObjectRef
from flotilla.state.diff import compare

_NEVER_RESTARTED = frozenset({"Job", "CronJob", "ReplicaSet", "ReplicationController", "PodTemplate"})
"""Kinds with a pod template whose change doesn't restart their pods."""
_VITAL = frozenset(
    {
        "CronJob",
        "CustomResourceDefinition",
        "DaemonSet",
        "Deployment",
        "Namespace",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "ReplicaSet",
        "ReplicationController",
        "StatefulSet",
    }
)
"""Kinds that run pods, keep data, or delete other objects with them.

A Job isn't among them: it ends anyway, and since it can't be changed, every release of many charts has a new one.
"""


@dataclass(frozen=True)
class Effect:
    """The effect on what a workload runs in one cluster."""

    restarted: tuple[int, int] = (0, 0)
    """Minimum and maximum of pods that restart because their template changes, or because they are created again."""
    uncounted: int = 0
    """The number of objects that restart pods but don't declare how many: DaemonSets, objects scaled in members."""
    lost: tuple[str, ...] = ()
    """Objects that a remaining copy loses: those that run pods, keep data, or delete others with them."""
    stopped: bool = False
    """An object that had replicas there is scaled to 0."""


def effect_on(
    olds: Mapping[ObjectRef, Object],
    news: Mapping[ObjectRef, Object],
    bounds: Mapping[str, tuple[int, int]],
    replaced: Collection[str],
    *,
    keeps: bool,
) -> Effect:
    """Return the effect on a copy that stays in its cluster.

    Args:
        olds: its objects before, under their new references.
        news: its objects after.
        bounds: minimum and maximum of replicas of the templates for which only Karmada knows them, by reference.
        replaced: the templates that are deleted and created again.
        keeps: objects that Karmada no longer sends stay in the cluster.
    """
    least = most = uncounted = 0
    stopped = False
    for ref in sorted({*olds} & {*news}):
        old, new = olds[ref], news[ref]
        before, after = _replicas(old), bounds.get(str(ref)) or _replicas(new)
        stopped = stopped or bool(before and after and before[0] > 0 and after[1] == 0)
        recreated = str(ref) in replaced and _has_pods(old)
        if not recreated and not _rolls(old, new):
            continue
        if recreated and old.get("kind") == "Pod":
            before = after = (1, 1)
        if before is None or after is None or owns_replicas(new):
            uncounted += 1
            continue
        least += min(before[0], after[0])
        most += min(before[1], after[1])
    lost = () if keeps else tuple(str(ref) for ref in sorted({*olds} - {*news}) if ref.kind in _VITAL)
    return Effect((least, most), uncounted, lost, stopped)


def _replicas(obj: Object) -> tuple[int, int] | None:
    """Return an object's replicas as bounds; None where it declares none, or an invalid number."""
    if replicas_field(obj) is None or obj.get("kind") == "Job":
        return None
    try:
        count = replicas_of(obj)
    except ValueError:
        return None
    return None if count is None else (count, count)


def _pod_template(obj: Object) -> Object | None:
    spec = obj.get("spec")
    found = spec.get("template") if isinstance(spec, dict) else None
    return found if isinstance(found, dict) and isinstance(found.get("spec"), dict) else None


def _has_pods(obj: Object) -> bool:
    return obj.get("kind") == "Pod" or (_pod_template(obj) is not None and obj.get("kind") != "CronJob")


def _rolls(old: Object, new: Object) -> bool:
    """Return whether a change of an object restarts its pods."""
    before, after = _pod_template(old), _pod_template(new)
    if before is None or after is None or new.get("kind") in _NEVER_RESTARTED:
        return False
    spec = new["spec"]
    strategy = spec.get("updateStrategy")
    waits = isinstance(strategy, dict) and strategy.get("type") == "OnDelete"
    return spec.get("paused") is not True and not waits and bool(compare(before, after))
