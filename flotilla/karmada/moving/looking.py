"""The progress of a stage of a move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flotilla.counts import counted
from flotilla.karmada.moving.course import Course
from flotilla.karmada.moving.stages import Shift, Stage
from flotilla.karmada.objects import ResourceBinding
from flotilla.karmada.status import judgements
from flotilla.karmada.status.rollout import Progress, RolloutCheck
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.karmada.status.written import Marks, WrittenCheck
from flotilla.karmada.template_references import bare
from flotilla.kube.objects import ref_of


def scheduled(snapshot: Snapshot, course: Course, stage: Stage) -> list[Progress]:
    """Return for each template what is missing until Karmada has scheduled it according to a stage.

    Raises:
        ClusterError: a template or binding could not be read.
    """
    return [Progress(one.ref, waiting_for=_late(one, snapshot.binding_of(one.ref), stage)) for one in course.shifts]


def _late(shift: Shift, binding: ResourceBinding | None, stage: Stage) -> str:
    if binding is None:
        return "its ResourceBinding is gone"
    late = judgements.another_placement(binding, stage.placement)
    replicas = stage.replicas.get(shift.ref)
    if not late and replicas is not None and binding.spec.replicas != replicas:
        late = f"its ResourceBinding doesn't have {counted(replicas, 'replica')} yet"
    return late or judgements.not_scheduled(binding)


def check_of(inputs: Mapping[str, Any], course: Course, stage: Stage) -> WrittenCheck:
    """Return the check of the new copies: that of a rollout with the placement of the stage."""
    names = {name for coming in course.coming.values() for name in coming}
    members = inputs.get("members") or {}
    moving = {one.ref for one in course.shifts}
    objects = {key: [bare(one) for one in inputs.get(key) or ()] for key in ("templates", "followers")}
    check = RolloutCheck.of(
        {
            **inputs,
            **objects,
            "templates": [one for one in objects["templates"] if ref_of(one) in moving],
            "placement": stage.placement,
            "members": {name: members.get(name) or {"id": "", "unanswered": ""} for name in names},
        }
    )
    return WrittenCheck(check, Marks())


def healthy(snapshot: Snapshot, course: Course, stage: Stage, check: WrittenCheck) -> list[Progress]:
    """Return the progress of the new copies; those that leave, or stay unchanged, are ignored.

    Raises:
        ClusterError: a template or binding could not be read.
    """
    late = {one.template: one.waiting_for for one in scheduled(snapshot, course, stage)}
    everywhere = {name for coming in course.coming.values() for name in coming}
    return [
        replace(
            one,
            waiting_for=late.get(one.template) or one.waiting_for,
            clusters=tuple(c for c in one.clusters if c.cluster in course.coming.get(one.template, everywhere)),
        )
        for one in check.progress(snapshot)
    ]
