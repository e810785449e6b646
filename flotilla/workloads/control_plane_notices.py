"""Notices about the control plane's own objects that the user should read before an `up`; they aren't errors."""

from __future__ import annotations

from collections.abc import Iterator

from flotilla.karmada.control_plane_kinds import (
    INTERPRETERS,
    MULTI_CLUSTER_SERVICE,
    QUOTA,
    SERVICE_EXPORT,
    SERVICE_IMPORT,
    target_of,
)
from flotilla.karmada.kinds import kind_of
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of
from flotilla.stack import features
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.workloads.control_plane import ControlPlane, control_plane_of

_QUOTA_SINCE = Version(1, 14)


def gate_of(obj: Object, version: Version | None) -> features.Gate | None:
    """Return the feature gate without which an object has no effect; None where it needs none.

    Since 1.14 a gate controls whether a FederatedResourceQuota is enforced. Before, and with `staticAssignments`,
    Karmada makes a ResourceQuota in each member that it names.
    """
    if kind_of(obj) == MULTI_CLUSTER_SERVICE:
        return features.ACROSS_CLUSTERS
    spec = obj.get("spec")
    if kind_of(obj) == QUOTA and isinstance(spec, dict) and not spec.get("staticAssignments"):
        return features.QUOTA if version is None or version >= _QUOTA_SINCE else None
    return None


def object_notices(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return the notices about `flotilla:objects`, a line each."""
    plane = control_plane_of(fleet, files)
    return [line for one in plane.objects for line in _of(one.obj, fleet, plane)]


def _of(obj: Object, fleet: Fleet, plane: ControlPlane) -> Iterator[str]:
    name, kind, target = ref_of(obj), kind_of(obj), target_of(obj)
    gate = gate_of(obj, fleet.karmada)
    if gate and not fleet.gates_known:
        yield f"{name} {features.doubtful(gate)}"
    if target:
        (group, target_kind), namespace, target_name = target
        key = (group, target_kind, namespace, target_name)
        what = f"{target_kind} {namespace}/{target_name}"
        if key not in plane.scalers and all(one.identity != key for one in plane.objects):
            yield f"{name} scales {what}, which this stack doesn't declare: it has no effect until that exists"
    if kind in (SERVICE_EXPORT, SERVICE_IMPORT):
        yield (
            f"{name} stays in the control plane: Flotilla propagates it to no member; list it in a workload beside its "
            "Service, unless your own policy propagates it"
        )
    if kind in INTERPRETERS:
        yield (
            f"{name} takes effect in the control plane and isn't evaluated here: for kinds whose replicas it "
            "determines, plans show no replicas"
        )
