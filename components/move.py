"""A move: a workload's copies get healthy in the clusters that it comes to before they go from those that it leaves.

A dynamic resource that a workload's policies depend on: when its placement changes, the policies in the control plane
first hold both places, and what is declared is written only once the copies that come are healthy. The policies' own
resources then find what they declare (docs/decisions/moves-without-a-gap.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from components.rollout import poll
from components.whole_numbers import whole_numbers
from flotilla.errors import NotDone
from flotilla.karmada.enablements import missing_kinds
from flotilla.karmada.moving.course import Course, course_of, never_moves, policies_in
from flotilla.karmada.moving.looking import check_of, healthy, scheduled
from flotilla.karmada.moving.marks import mark_of
from flotilla.karmada.moving.stages import Stage, Until
from flotilla.karmada.moving.writing import policies_of, write_stage
from flotilla.karmada.propagation import DEFINITIONS
from flotilla.karmada.status.rollout import Progress
from flotilla.karmada.status.sharing import SharedReader, shared_reader
from flotilla.karmada.status.words import Words
from flotilla.karmada.template_references import bare
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.waiting import pause, say

_MOVING = "moving"
_POLL_SECONDS = 0.5
_BLOCKED_LOOKS = 20
"""So often it is looked whether a cluster has come back that nothing can come to: for about ten seconds."""
_SCHEDULING_SECONDS = 60.0
_HINT = "fix the cause and run `up` again: it goes on from here, also back to where the workload was"


@whole_numbers
class MoveProvider(ResourceProvider):
    """Moves on an update; nothing runs yet when it is created, and nothing is left to delete.

    Its outputs are its inputs, and `moving` where a move is under way that broke off.
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep where the workload is."""
        return CreateResult(id_=str(props["workload"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Another placement is a move, and so is the rest of one that broke off."""
        return DiffResult(changes=olds.get("placement") != news.get("placement") or bool(olds.get(_MOVING)))

    def update(self, id_: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Move.

        Raises:
            NotDone: the copies that come aren't healthy, or can't come; those of before stay.
            ClusterError: the control plane refused to be asked.
        """
        move(news, id_)
        return UpdateResult(outs=news)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether a move is under way that broke off."""
        mark = mark_of(policies_of(shared_reader(props["kubeconfig"]).connection, policies_in(props)))
        rest = {key: value for key, value in props.items() if key != _MOVING}
        return ReadResult(id_, {**rest, **({_MOVING: True} if mark is not None else {})})


def move(props: dict[str, Any], id_: str) -> None:
    """Bring a workload to its placement, stage by stage.

    Raises:
        NotDone: as `MoveProvider.update`.
        ClusterError: as `MoveProvider.update`.
    """
    reader, policies = shared_reader(props["kubeconfig"]), list(policies_in(props))
    course = _course(props, reader)
    if course.blocked:
        raise _not_done(props, id_, f"can't move: {course.blocked}; its copies stay where they are")
    if course.left and not never_moves(props):
        say(f"{props['workload']}: Karmada moves it by itself, and its old copies may go first: {course.left}")
    mark = course.mark.signed if course.mark else None
    words = Words(f"{props['workload']}, which moves {course.mark.text if course.mark else ''},", say)
    for stage in course.stages:
        last = stage.until is Until.WRITTEN
        if stage.until is Until.HEALTHY and props.get("kinds"):
            _send_definitions(props, id_, course, stage, reader)
        write_stage(reader.connection, policies, stage, None if last else mark)
        if last:
            continue
        whole = float(props["timeout"])
        timeout = whole if stage.until is Until.HEALTHY else max(whole, _SCHEDULING_SECONDS)
        _, problem = poll(_looking(props, reader, course, stage), timeout, words=words)
        if problem:
            raise _not_done(
                props, id_, f"is not moved {course.mark.text if course.mark else ''}: it {problem}; its old copies stay"
            )


def _send_definitions(props: dict[str, Any], id_: str, course: Course, stage: Stage, reader: SharedReader) -> None:
    """Let the definitions go ahead to where the workload comes to: Karmada schedules nothing where a kind is unknown.

    Raises:
        NotDone: they aren't served there in time.
    """
    ahead = [ref for ref in policies_in(props) if ref.name.endswith(DEFINITIONS)]
    write_stage(reader.connection, ahead, replace(stage, replicas={}), course.mark)
    names = sorted({name for coming in course.coming.values() for name in coming})
    kinds = [(str(api_version), str(kind)) for api_version, kind in props["kinds"]]
    version = known_version(props.get("karmadaVersion")) or SUPPORTED.newest
    deadline = time.monotonic() + float(props["timeout"])
    while missing := missing_kinds(reader.connection, kinds, [{"clusterNames": names}], version):
        if time.monotonic() > deadline or pause(_POLL_SECONDS):
            raise _not_done(props, id_, f"is not moved: its kinds are not served: {'; '.join(missing)}")


def _not_done(props: dict[str, Any], id_: str, text: str) -> NotDone:
    return NotDone(f"workload {props['workload']} {text}", id_=id_, outs={**props, _MOVING: True}, hint=_HINT)


def _course(props: dict[str, Any], reader: SharedReader) -> Course:
    """Return how a workload gets to its placement; where nothing can come, look again for a while."""
    templates = [bare(one) for one in (*props["templates"], *(props.get("followers") or ()))]

    def look() -> Course:
        mark = mark_of(policies_of(reader.connection, policies_in(props)))
        if mark is None and never_moves(props):
            return Course(left=never_moves(props))
        return course_of(props, reader.read_for(templates), mark)

    course = look()
    for _ in range(_BLOCKED_LOOKS):
        if not course.blocked or pause(_POLL_SECONDS):
            break
        course = look()
    return course


def _looking(props: dict[str, Any], reader: SharedReader, course: Course, stage: Stage) -> Callable[[], list[Progress]]:
    """Return what looks once how far a stage has got."""
    check = check_of(props, course, stage)
    if stage.until is Until.HEALTHY:
        return lambda: healthy(reader.read_for(check.objects), course, stage, check)
    return lambda: scheduled(reader.read_for(check.objects), course, stage)


class Move(Resource, module="flotilla", name="Move"):
    """A workload's move; its policies depend on it."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare it.

        Args:
            name: the resource's name.
            props: what a Rollout's say of what is to be where (`components.rollout`), and policyRefs: apiVersion, kind,
                name and namespace of each of the workload's propagation policies that this stack declares.
            opts: resource options.
        """
        super().__init__(MoveProvider(), name, props, opts)
