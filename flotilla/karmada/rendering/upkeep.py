"""What else changes a workload's copies: autoscalers in members, and controllers that delete or repeat Jobs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from flotilla.karmada.kinds import expires, group_of, kind_of
from flotilla.karmada.rendering.reach import Notice
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.scaling import scaler_of
from flotilla.karmada.scheduling import replicas_field
from flotilla.kube.objects import ref_of

Object = dict[str, Any]
_AUTOSCALERS = frozenset({("autoscaling", "HorizontalPodAutoscaler"), ("keda.sh", "ScaledObject")})


class Upkeep(StrEnum):
    """The kinds of notices about a template that other controllers change."""

    TWO_OWNERS = "two-owners"
    """Both an autoscaler in the members and Karmada set its replicas."""
    SCALED = "scaled"
    """An autoscaler of the control plane sets its replicas."""
    OWN_REPLICAS = "own-replicas"
    """Members keep their own number of replicas."""
    RUNS_EVERYWHERE = "runs-everywhere"
    """A CronJob isn't divided: it runs in every cluster."""
    DELETED_WHEN_DONE = "deleted-when-done"
    """A Job has a time to live: the control plane deletes it, together with every copy."""


def upkeep(templates: Sequence[Object], *, divided: bool, everything: Sequence[Object] = ()) -> list[Notice]:
    """Return the notices about a workload's templates.

    Args:
        templates: the declared templates.
        divided: whether the placement divides replicas.
        everything: the templates of all workloads, which may include an autoscaler for these templates.
    """
    found = []
    for template in templates:
        name, kind = str(ref_of(template)), kind_of(template)
        scalers = [str(ref_of(one)) for one in [*templates, *everything] if scales(one, template)]
        if scaler_of(template):
            found.append(Notice(Upkeep.SCALED, name, detail=scaler_of(template)))
        if owns_replicas(template):
            found.append(Notice(Upkeep.OWN_REPLICAS, name, detail=next(iter(scalers), "")))
        elif scalers:
            found.append(Notice(Upkeep.TWO_OWNERS, name, detail=scalers[0]))
        if kind == ("batch", "CronJob") and divided:
            found.append(Notice(Upkeep.RUNS_EVERYWHERE, name))
        if expires(template):
            seconds = template["spec"]["ttlSecondsAfterFinished"]
            found.append(Notice(Upkeep.DELETED_WHEN_DONE, name, detail=str(seconds)))
    return found


def scales(scaler: Object, template: Object) -> bool:
    """Return whether an object is an autoscaler of members whose target is the template."""
    if kind_of(scaler) not in _AUTOSCALERS or replicas_field(template) is None:
        return False
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    group, kind = kind_of(template)
    # A ScaledObject may omit both: its target is a Deployment then.
    wanted = (group_of(str(target.get("apiVersion") or "apps/v1")), str(target.get("kind") or "Deployment"))
    same_namespace = scaler["metadata"].get("namespace") == template["metadata"].get("namespace")
    return wanted == (group, kind) and target.get("name") == template["metadata"]["name"] and same_namespace
