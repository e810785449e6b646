"""How a workload whose placement changes gets to its new clusters: the stages of its move, or why Karmada moves it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flotilla.karmada.kinds import GroupKind, goes_by_itself, kind_of
from flotilla.karmada.moving.marks import Mark
from flotilla.karmada.moving.stages import NoWayError, Shift, Stage, Until, Way, moves
from flotilla.karmada.objects import ResourceBinding
from flotilla.karmada.scaling import scaler_of
from flotilla.karmada.scheduling import (
    ClusterFacts,
    Current,
    Decision,
    Depends,
    Scheduler,
    Why,
    decide,
    demand_of,
    divides,
    replicas_field,
    replicas_of,
)
from flotilla.karmada.selection import claimed_by, policy_key
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.karmada.template_references import bare
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.kube.objects import Object, ObjectRef, ref_of

RUNS_ONCE: frozenset[GroupKind] = frozenset(
    {
        ("batch", "Job"),
        ("batch", "CronJob"),
        ("argoproj.io", "Workflow"),
        ("argoproj.io", "CronWorkflow"),
        ("apps.kruise.io", "BroadcastJob"),
        ("apps.kruise.io", "AdvancedCronJob"),
    }
)
"""Kinds whose copies do a piece of work: two copies at the same time would do it twice."""


@dataclass(frozen=True)
class Course:
    """How a workload gets to its declared clusters."""

    stages: tuple[Stage, ...] = ()
    """Empty where there is nothing to do before the policies are applied."""
    shifts: tuple[Shift, ...] = ()
    mark: Mark | None = None
    """The mark of the policies until the last stage."""
    left: str = ""
    """Why Karmada moves the workload by itself, and removes old copies at once; empty otherwise."""
    blocked: str = ""
    """Why no new copy can be created, so that the old ones have to stay."""

    @property
    def coming(self) -> dict[ObjectRef, set[str]]:
        """The clusters whose new copies have to become healthy, by template."""
        return {one.ref: one.coming for one in self.shifts}


def never_moves(inputs: Mapping[str, Any]) -> str:
    """Return why Karmada always moves a workload by itself, regardless of its placement; empty where it doesn't.

    Args:
        inputs: the inputs of a Move.
    """
    if inputs.get("suspension"):
        return "it is suspended"
    if inputs.get("lazy"):
        return "Karmada acts on its policies with the templates' next change (activation: Lazy)"
    if inputs.get("given") and inputs.get("kinds"):
        return "its definitions are sent by the same policy as its objects"
    once = [one for one in map(bare, inputs["templates"]) if kind_of(one) in RUNS_ONCE]
    return f"{ref_of(once[0])} would do its work twice" if once else ""


def left_alone(inputs: Mapping[str, Any]) -> bool:
    """Return whether Karmada moves a workload by itself, as far as the declaration shows it.

    Args:
        inputs: the inputs of a Move or a Rollout, with whole templates.
    """
    scaled = any(scaler_of(one) for one in inputs["templates"])
    return bool(never_moves(inputs)) or (scaled and divides(inputs["placement"]))


def course_of(inputs: Mapping[str, Any], snapshot: Snapshot, mark: Mark | None) -> Course:
    """Return how a workload gets to its declared clusters.

    Args:
        inputs: the inputs of a Move.
        snapshot: its templates, their bindings, and the Clusters.
        mark: the mark of an interrupted move; None where no move is under way.

    Raises:
        ClusterError: a template or binding could not be read.
    """
    looked = _Look(inputs, snapshot, mark)
    left = never_moves(inputs)
    try:
        shifts = () if left and mark is None else looked.shifts()
    except (_Left, ValueError) as why:  # the API server itself reports a selector that it rejects
        left, shifts = left or str(why), ()
    except _Blocked as why:
        return Course(blocked=str(why))
    way = Way(shifts, inputs["placement"], looked.clusters, looked.schedulers)
    moving = not left and moves(shifts)
    new = Mark.of(shifts).going_on_from(mark)
    try:
        if moving:
            return Course(way.stages(looked.placement), shifts, new)
        if mark is not None and not left:
            return Course(way.ending(), shifts, new)
    except NoWayError as why:
        left = str(why)
    if mark is None:
        return Course(left=left)
    # In any case, replicas that the interrupted move has raised are reset.
    back = Stage(Until.WRITTEN, inputs["placement"], looked.marked)
    return Course((back,), mark=mark, left=left)


class _Left(Exception):
    """Karmada moves the workload by itself; the message says why."""


class _Blocked(Exception):
    """No new copy can be created; the message says why."""


@dataclass
class _Look:
    inputs: Mapping[str, Any]
    snapshot: Snapshot
    mark: Mark | None

    def __post_init__(self) -> None:
        version = known_version(self.inputs.get("karmadaVersion"))
        self.scheduler = Scheduler(version) if version else None
        self.schedulers = (
            [self.scheduler] if self.scheduler else [Scheduler(v) for v in (SUPPORTED.newest, SUPPORTED.oldest)]
        )
        # A definition that comes with the workload isn't served yet in the new clusters.
        self.clusters: Sequence[ClusterFacts] = [
            replace(one, served=None) for one in self.snapshot.fleet.facts.values()
        ]
        self._ids = {one["metadata"]["name"]: (one.get("spec") or {}).get("id") for one in self.snapshot.clusters}
        self.placement: Object = {}
        """The placement by which the templates are scheduled."""

    @property
    def marked(self) -> dict[ObjectRef, int]:
        """The replicas that templates had before an interrupted move."""
        known = self.mark.replicas if self.mark else {}
        refs = [ref_of(bare(one)) for one in self.inputs["templates"]]
        return {ref: known[str(ref)] for ref in refs if str(ref) in known}

    def shifts(self) -> tuple[Shift, ...]:
        found = [self._shift(one) for one in map(bare, self.inputs["templates"]) if not goes_by_itself(one)]
        return tuple(one for one in found if one is not None)

    def _shift(self, declared: Object) -> Shift | None:
        """Return where a template runs, and where it should run; None where none of it runs by these policies."""
        ref = ref_of(declared)
        live, binding = self.snapshot.template(ref), self.snapshot.binding_of(ref)
        if live is None or binding is None or not self._is_ours(live) or not binding.spec.clusters:
            return None
        if binding.spec.resource.uid not in (None, live["metadata"].get("uid")):
            return None
        version = self.schedulers[0].version
        now = replicas_of(live, version)
        own = self.mark.replicas.get(str(ref), now) if self.mark else now
        asked = live if own == now else _with_replicas(live, own, version)
        bound = binding.spec.placement.wire() if binding.spec.placement else {}
        if not self.placement or divides(bound):
            self.placement = bound
        divided = divides(bound) or divides(self.inputs["placement"])
        if divided and scaler_of(live):
            raise _Left(f"{scaler_of(live)} sets the replicas of {ref}")
        if divided and self.inputs.get("given"):
            raise _Left(f"the policy of {ref} divides replicas, and may send other objects, too")
        if self.mark is None and (binding.spec.replicas or 0) != (now or 0):
            raise _Left(f"an interpreter of the control plane computes the replicas of {ref}")
        before = {self._present(target.name): target.replicas for target in binding.spec.clusters}
        after = self._after(asked, before, binding)
        known = {self._present(n): c for n, c in self.mark.known(ref).items()} if self.mark else None
        return Shift(ref, before, after, own, now, str(live["metadata"].get("uid") or ""), known)

    def _present(self, name: str) -> str:
        """Return the current member name of a cluster: a renamed cluster is the same place."""
        identity = self._ids.get(name)
        declared = self.inputs.get("members") or {}
        if not identity or name in declared:
            return name
        return next((new for new, one in self._ids.items() if one == identity and new in declared), name)

    def _is_ours(self, live: Object) -> bool:
        claim = claimed_by(live["metadata"].get("annotations") or {})
        mine = {policy_key(one) for one in policies_in(self.inputs)}
        return claim in mine and not live["metadata"].get("deletionTimestamp")

    def _after(
        self, asked: Object, before: Mapping[str, int | None], binding: ResourceBinding
    ) -> dict[str, int | None]:
        evicting = frozenset(task.from_cluster for task in binding.spec.graceful_eviction_tasks)
        group = binding.status.scheduler_observed_affinity_name or ""
        found = self._decided(asked, Current(before, group, evicting=evicting))
        if isinstance(found, Depends) and found.why is Why.TIE:
            # Karmada keeps what exists: the stages use the first choice, which resolves the tie.
            found = self._decided(asked, Current(found.first, found.group, evicting=evicting))
        if isinstance(found, Depends):
            raise _Left(f"only Karmada knows where {ref_of(asked)} goes: it depends on {found.why}")
        if found.cleared and any(name not in self.snapshot.fleet.unready for name in before):
            raise _Blocked(f"{ref_of(asked)}: {found.problem}")
        return dict(before if found.problem and not found.cleared else found.shares)

    def _decided(self, asked: Object, current: Current) -> Decision:
        demand = demand_of(asked, self.schedulers[0])
        return decide(self.clusters, self.inputs["placement"], demand, current=current, scheduler=self.scheduler)


def _with_replicas(live: Object, replicas: int | None, version: Any) -> Object:
    field = replicas_field(live, version)
    return {**live, "spec": {**live["spec"], field: replicas}} if field else live


def policies_in(inputs: Mapping[str, Any]) -> Iterable[ObjectRef]:
    """Return the policies in a Move's inputs."""
    return [ObjectRef(*map(str, parts)) for parts in inputs["policyRefs"]]
