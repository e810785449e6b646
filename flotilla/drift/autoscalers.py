"""Finds autoscalers in a member that set replicas which Karmada sets, too."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.drift.fights import RULE
from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.rendering.upkeep import scales
from flotilla.karmada.scheduling import replicas_field
from flotilla.kube.connection import Connection, KindNotServed
from flotilla.kube.objects import Object, ref_of

_API, _KIND = "autoscaling/v2", "HorizontalPodAutoscaler"
REMEDY = "declare `autoscaled: true` for a workload of Deployments, or use a FederatedHPA instead of the autoscaler"


def find_autoscaled(connection: Connection, member: str, sent: Iterable[Object]) -> list[Finding]:
    """Return autoscalers of copies whose replicas Karmada sets: autoscaler and Karmada overwrite each other's value.

    KEDA's ScaledObjects are found through the HorizontalPodAutoscalers that KEDA creates for them.

    Args:
        connection: the member.
        member: the member's name.
        sent: the objects that Karmada sends there.
    """
    enforced = [obj for obj in sent if (obj.get("spec") or {}).get(replicas_field(obj)) is not None]
    enforced = [obj for obj in enforced if not owns_replicas(obj)]
    if not enforced:
        return []
    try:
        scalers = connection.list(_API, _KIND)
    except KindNotServed:
        return []
    return [_finding(member, obj, scaler) for obj in enforced for scaler in scalers if scales(scaler, obj)]


def _finding(member: str, obj: Object, scaler: Object) -> Finding:
    field = replicas_field(obj)
    message = f"two owners: {ref_of(scaler)} in the member and Karmada both set spec.{field}; {REMEDY}"
    pointer = f"/spec/{field}"
    return Finding(
        Layer.MEMBERS, RULE, member, str(ref_of(obj)), message, f"spec.{field}", remedy=Remedy.MANUAL, pointer=pointer
    )
