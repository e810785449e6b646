"""Executes a move: writes stage after stage, and waits for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flotilla.errors import NotDone
from flotilla.karmada.enablements import await_kinds
from flotilla.karmada.moving.course import Course, course_of, never_moves, policies_in
from flotilla.karmada.moving.looking import check_of, healthy, scheduled
from flotilla.karmada.moving.marks import mark_of
from flotilla.karmada.moving.stages import Stage, Until
from flotilla.karmada.moving.writing import policies_of, write_stage
from flotilla.karmada.propagation import DEFINITIONS
from flotilla.karmada.status.rollout import Progress
from flotilla.karmada.status.sharing import SharedReader
from flotilla.karmada.status.texts import WaitTexts
from flotilla.karmada.status.waiting import POLL_SECONDS, poll
from flotilla.karmada.template_references import bare
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.waiting import pause, say

MOVING = "moving"
"""An output of a Move: true if the move was interrupted."""
_BLOCKED_LOOKS = 20
"""How often to look whether a cluster is back, if no new copy can be created: for about ten seconds."""
_SCHEDULING_SECONDS = 60.0
_HINT = "fix the cause and run `up` again: it continues from here, or goes back to where the workload was"


def is_under_way(props: Mapping[str, Any], reader: SharedReader) -> bool:
    """Return whether a move of a workload is under way, or was interrupted.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return mark_of(policies_of(reader.connection, policies_in(props))) is not None


def move(props: dict[str, Any], id_: str, reader: SharedReader) -> None:
    """Bring a workload to its placement, stage by stage.

    Args:
        props: the inputs of a Move.
        id_: the ID of the Move.
        reader: the reader of the control plane.

    Raises:
        NotDone: the new copies aren't healthy, or can't be created; the old copies stay.
        ClusterError: the control plane rejected a request.
    """
    policies = list(policies_in(props))
    course = _course(props, reader)
    if course.blocked:
        raise _not_done(props, id_, f"can't move: {course.blocked}; its copies stay where they are")
    if course.left and not never_moves(props):
        say(f"{props['workload']}: Karmada moves it by itself, and its old copies may go first: {course.left}")
    mark = course.mark.signed if course.mark else None
    texts = WaitTexts(f"{props['workload']}, which moves {course.mark.text if course.mark else ''},", say)
    for stage in course.stages:
        last = stage.until is Until.WRITTEN
        if stage.until is Until.HEALTHY and props.get("kinds"):
            _send_definitions(props, id_, course, stage, reader)
        write_stage(reader.connection, policies, stage, None if last else mark)
        if last:
            continue
        whole = float(props["timeout"])
        timeout = whole if stage.until is Until.HEALTHY else max(whole, _SCHEDULING_SECONDS)
        _, problem = poll(_looking(props, reader, course, stage), timeout, texts=texts)
        if problem:
            raise _not_done(
                props, id_, f"is not moved {course.mark.text if course.mark else ''}: it {problem}; its old copies stay"
            )


def _send_definitions(props: dict[str, Any], id_: str, course: Course, stage: Stage, reader: SharedReader) -> None:
    """Send the definitions to the new clusters first: Karmada schedules nothing to a cluster that lacks a kind.

    Raises:
        NotDone: the new clusters don't serve them in time.
    """
    ahead = [ref for ref in policies_in(props) if ref.name.endswith(DEFINITIONS)]
    write_stage(reader.connection, ahead, replace(stage, replicas={}), course.mark)
    names = sorted({name for coming in course.coming.values() for name in coming})
    kinds = [(str(api_version), str(kind)) for api_version, kind in props["kinds"]]
    version = known_version(props.get("karmadaVersion")) or SUPPORTED.newest
    missing = await_kinds(reader.connection, kinds, [{"clusterNames": names}], version, float(props["timeout"]))
    if missing:
        raise _not_done(props, id_, f"is not moved: its kinds are not served: {'; '.join(missing)}")


def _not_done(props: dict[str, Any], id_: str, text: str) -> NotDone:
    return NotDone(f"workload {props['workload']} {text}", id_=id_, outs={**props, MOVING: True}, hint=_HINT)


def _course(props: dict[str, Any], reader: SharedReader) -> Course:
    """Return how a workload gets to its placement; if no new copy can be created, look again for a while."""
    templates = [bare(one) for one in (*props["templates"], *(props.get("followers") or ()))]

    def look() -> Course:
        mark = mark_of(policies_of(reader.connection, policies_in(props)))
        if mark is None and never_moves(props):
            return Course(left=never_moves(props))
        return course_of(props, reader.read_for(templates), mark)

    course = look()
    for _ in range(_BLOCKED_LOOKS):
        if not course.blocked or pause(POLL_SECONDS):
            break
        course = look()
    return course


def _looking(props: dict[str, Any], reader: SharedReader, course: Course, stage: Stage) -> Callable[[], list[Progress]]:
    """Return a function that looks once at the progress of a stage."""
    check = check_of(props, course, stage)
    if stage.until is Until.HEALTHY:
        return lambda: healthy(reader.read_for(check.objects), course, stage, check)
    return lambda: scheduled(reader.read_for(check.objects), course, stage)
