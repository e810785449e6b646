"""Turns objects of the control plane itself into `flotilla:objects`."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.adopt.judging import is_reserved
from flotilla.adopt.model import Report, Selection
from flotilla.adopt.written import as_written
from flotilla.karmada.kinds import Identity, identity
from flotilla.karmada.unspread import meant_to_spread
from flotilla.kube.objects import Object, ref_of

GROUP = "control-plane"
"""The name of the entry in `flotilla:objects`."""


def own_objects(
    objects: Iterable[Object], templates: set[Identity], selection: Selection, report: Report
) -> list[Object]:
    """Return the objects that users have declared in the control plane, as manifests.

    Args:
        objects: objects of Karmada's own kinds.
        templates: templates that policies send, which belong to workloads.
        selection: the part to adopt; a selection by policy or by member has no such objects.
        report: gets the objects that are left out.
    """
    if selection.policies or (selection.members and not selection.of_workloads):
        return []
    found = []
    for obj in sorted(objects, key=ref_of):
        if identity(obj) in templates or not selection.has_object(obj) or is_reserved(obj):
            continue
        if not meant_to_spread(obj):
            report.leave_out(str(ref_of(obj)), "a controller has created it")
            continue
        if obj["metadata"].get("deletionTimestamp"):
            report.leave_out(str(ref_of(obj)), "it is being deleted")
            continue
        found.append(as_written(obj))
    return found
