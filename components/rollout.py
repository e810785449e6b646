"""The end of an `up`: waits until every chosen cluster runs what was declared, and reports why one doesn't.

This is a dynamic resource, because Karmada itself offers nothing to wait for: a template gets no Available condition in
the control plane, and Karmada, not the stack, makes its ResourceBinding.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from flotilla.errors import ClusterError, NotDone
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.propagation import DEFINITIONS
from flotilla.karmada.status.claims import transfer_claims
from flotilla.karmada.status.lacking import Servers
from flotilla.karmada.status.overriding import OTHERS, removed_overrides, withdraw_overrides
from flotilla.karmada.status.reading import read_servers
from flotilla.karmada.status.rollout import Progress, RolloutCheck, without_unanswered
from flotilla.karmada.status.sharing import SharedReader, shared_reader
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.karmada.status.texts import WaitTexts, unserved_text
from flotilla.karmada.status.unhealthy import explained
from flotilla.karmada.status.waiting import look_until_settled, poll
from flotilla.karmada.status.written import Marks, WrittenCheck
from flotilla.karmada.template_references import bare, digests, reference_to, replicas_in
from flotilla.karmada.versions import known_version
from flotilla.karmada.waves.holding import release_all, suspension_of
from flotilla.karmada.waves.record import Store
from flotilla.karmada.waves.running import Stopped, Waves
from flotilla.karmada.waves.subject import ROLLOUT, Subject
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.waiting import say

from .whole_numbers import whole_numbers

# How long the list of served kinds is reused: to read it, all bindings are listed.
_SERVERS_SECONDS = 10.0
_VERSION = "karmadaVersion"
_SETTLED = "settled"
_SCHEDULED = "scheduled"
_UNSERVED = "unserved"
_WRITTEN = "written"
_NUMBERS = "overrideNumbers"
_TEMPLATES, _FOLLOWERS = "templates", "followers"


@whole_numbers
class RolloutProvider(ResourceProvider):
    """Waits on create and update; nothing is left to delete.

    Its outputs are its inputs and the following. `settled` is whether everything was done at the last look. `scheduled`
    is where Karmada has scheduled each template (replicas by cluster, by template): plans read it. `written` is a mark
    of each template by which a later change in the control plane is recognized. `unserved` is, by template and cluster,
    what a copy lacks because nothing serves it; it is left out if empty.

    Inputs and outputs contain a reference and a digest of each template; its content is read from the control plane
    when it is needed (docs/decisions/rollout-templates.md).
    """

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for the first rollout."""
        id_ = str(props["workload"])
        return CreateResult(id_=id_, outs=carry(props, id_, redivided(None, props), Marks()))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change if the declaration has changed, or if a refresh has found it undone.

        Some differences change nothing in the fleet: a renewed kubeconfig, another timeout, another order of workloads,
        other waves, the override to which a rule belongs, and replicas in the manifest that an autoscaler of the
        control plane owns. If something is no longer declared, that is a change: after a suspension ends, the rollout
        waits for the workload. Another version of Karmada than at the last rollout is a change as well, unless one of
        the two isn't known.
        """
        ignored = {
            "kubeconfig",
            "timeout",
            "members",
            "after",
            "__provider",
            _VERSION,
            _SETTLED,
            _SCHEDULED,
            _UNSERVED,
            _WRITTEN,
            _NUMBERS,
            OTHERS,
            ROLLOUT,
            _TEMPLATES,
            _FOLLOWERS,
        }
        changed = any(digests(olds.get(key) or ()) != digests(news.get(key) or ()) for key in (_TEMPLATES, _FOLLOWERS))
        changed = changed or any(olds.get(key) != news.get(key) for key in {*olds, *news} - ignored)
        changed = changed or _who(olds.get("members")) != _who(news.get("members"))
        before, now = known_version(olds.get(_VERSION)), known_version(news.get(_VERSION))
        changed = changed or (before is not None and now is not None and before != now)
        return DiffResult(changes=changed or not olds.get(_SETTLED, True))

    def update(self, id_: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait for the rollout of a change; first delete override policies that the workload no longer has."""
        if going := removed_overrides(olds, news):
            withdraw_overrides(shared_reader(news["kubeconfig"]).connection, going)
        if olds.get(ROLLOUT) and not news.get(ROLLOUT):
            release_all(shared_reader(news["kubeconfig"]).connection, Subject.of(olds))
        return UpdateResult(outs=carry(news, id_, redivided(olds, news), marks_of(olds, news), olds))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the fleet still runs what was declared: a refresh finds changes that people made anywhere."""
        marks = marks_of(props, props)
        reader = shared_reader(props["kubeconfig"])
        under_way = Store(reader.connection, Subject.of(props).record).read() if props.get(ROLLOUT) else None
        declared = {"suspension": suspension_of(under_way.held_back)} if under_way else {}
        check = _check_of({**props, "members": without_unanswered(props.get("members")), **declared}, marks)
        judge = _Judge(check, reader)
        progress = look_until_settled(lambda: judge(reader.read_for(check.objects)))
        settled = all(one.settled for one in progress) and not under_way
        return ReadResult(id_, _outs(props, progress, marks, settled=settled))


def redivided(olds: dict[str, Any] | None, news: dict[str, Any]) -> frozenset[ObjectRef]:
    """Return the templates whose replicas Karmada divides again, because replicas or the placement have changed.

    Args:
        olds: the previous declaration; None for a first rollout.
        news: the current declaration.
    """
    whole = olds is None or not olds.get(_SETTLED, True) or olds.get("placement") != news["placement"]
    before = {} if whole else replicas_in((olds or {}).get(_TEMPLATES) or ())
    now = replicas_in(news[_TEMPLATES])
    return frozenset(ref for ref, replicas in now.items() if ref not in before or before[ref] != replicas)


def marks_of(olds: dict[str, Any], news: dict[str, Any]) -> Marks:
    """Return the marks of the last look, for templates whose declaration is still the same."""
    before, now = digests(_objects_in(olds)), digests(_objects_in(news))
    marks = olds.get(_WRITTEN) or {}
    return Marks({ref: marks[str(ref)] for ref, one in now.items() if before.get(ref) == one and str(ref) in marks})


def _objects_in(props: dict[str, Any]) -> list[Any]:
    """Return a Rollout's templates and followers."""
    return [*(props.get(_TEMPLATES) or ()), *(props.get(_FOLLOWERS) or ())]


def _each(props: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a Rollout's inputs with a change applied to each of its objects."""
    listed = {key: [change(one) for one in props[key]] for key in (_TEMPLATES, _FOLLOWERS) if props.get(key)}
    return {**props, **listed}


def _check_of(props: dict[str, Any], marks: Marks, divided: frozenset[ObjectRef] = frozenset()) -> WrittenCheck:
    return WrittenCheck(RolloutCheck.of(_each(props, bare), divided), marks)


def _who(members: Any) -> Any:
    """Return which clusters are expected; whether one answers now is no change of the declaration."""
    return {name: one["id"] for name, one in members.items()} if isinstance(members, dict) else members


def carry(
    props: dict[str, Any],
    id_: str,
    divided: frozenset[ObjectRef],
    marks: Marks,
    olds: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Run a change through its waves, if it has any; then wait as for any other change, and return the outputs.

    Raises:
        NotDone: a wave didn't pass its gate, a person has to confirm or has stopped it, or see `wait`.
        ClusterError: the control plane rejected a request, and the change wasn't stopped.
    """
    if props.get(ROLLOUT):
        reader = shared_reader(props["kubeconfig"])

        def look_for(inputs: dict[str, Any]) -> Callable[[], list[Progress]]:
            forwards = inputs[_TEMPLATES] == props[_TEMPLATES]
            return _looking(inputs, divided if forwards else frozenset(), marks if forwards else Marks())

        waves = Waves(reader, props, Subject.of(props), look_for, olds)
        try:
            waves.run()
        except Stopped as stopped:
            stopped_at = {**props, "suspension": suspension_of(waves.record.held_back)}
            try:
                outs = _outs(props, _looking(stopped_at, divided, marks)(), marks, settled=False)
            except ClusterError:  # the reason why the change stopped is more important
                known = {_SCHEDULED: olds[_SCHEDULED]} if olds and _SCHEDULED in olds else {}
                outs = {**_outs(props, [], marks, settled=False), **known}
            raise NotDone(
                f"workload {props['workload']}: {stopped.message}", id_=id_, outs=outs, hint=stopped.hint
            ) from None
    return wait(props, id_, divided, marks)


def wait(props: dict[str, Any], id_: str, divided: frozenset[ObjectRef], marks: Marks) -> dict[str, Any]:
    """Wait until the rollout is done, and return the outputs.

    Raises:
        NotDone: it isn't done in time, or clusters don't answer; the message says what is missing in each cluster.
        ClusterError: the control plane rejected a request.
    """
    texts = WaitTexts(str(props["workload"]), say)
    progress, problem = poll(_looking(props, divided, marks), float(props["timeout"]), texts=texts)
    outs = _outs(props, progress, marks, settled=not problem)
    if not problem and (lacking := unserved_text(progress)):
        texts.ended(f"done, but nothing seems to serve {lacking}; {_STRICTLY}")
    if problem:
        problem = explained(problem, shared_reader(props["kubeconfig"]).connection, progress)
        hint = "fix the cause and run `up` again: it goes on from here"
        raise NotDone(f"workload {props['workload']} {problem}", id_=id_, outs=outs, hint=hint)
    return outs


_STRICTLY = "an entry `healthy` in the workload's `ready` waits for it, `applied` never does"


class _Judge:
    """Judges snapshots. If something isn't served, it also reads all other objects that prove what is served."""

    def __init__(self, check: WrittenCheck, reader: SharedReader) -> None:
        self._check = check
        self._reader = reader
        self._servers: Servers = {}
        self._until = 0.0

    def __call__(self, snapshot: Snapshot) -> list[Progress]:
        progress = self._check.progress(snapshot)
        if not any(one.unserved for one in progress):
            return progress
        now = time.monotonic()
        if now >= self._until:
            self._servers, self._until = read_servers(self._reader.connection), now + _SERVERS_SECONDS
        return self._check.progress(snapshot, self._servers)


def _looking(props: dict[str, Any], divided: frozenset[ObjectRef], marks: Marks) -> Callable[[], list[Progress]]:
    """Return a function that looks once; it also claims templates from other workloads' policies until all is done."""
    check, reader = _check_of(props, marks, divided), shared_reader(props["kubeconfig"])
    refs = [ref_of(template) for template in check.templates if not goes_by_itself(template)]
    judge, done = _Judge(check, reader), False

    def look() -> list[Progress]:
        nonlocal done
        snapshot = reader.read_for(check.objects)
        if not done:
            live = [template for ref in refs if (template := snapshot.template(ref)) is not None]
            for template in live:
                transfer_claims(reader.connection, [template], policies_for(props, ref_of(template)))
        progress = judge(snapshot)
        done = all(one.done_where_answered for one in progress)
        return progress

    return look


def policies_for(props: dict[str, Any], template: ObjectRef) -> tuple[str, ...]:
    """Return the names of the workload's policies for a template, in the template's namespace or cluster-wide."""
    name = str(props.get("policy") or props["workload"])
    further = (props.get("policies") or {}).get(template.namespace)
    return (further,) if further else (name, name + DEFINITIONS)


def _outs(props: dict[str, Any], progress: list[Progress], marks: Marks, *, settled: bool) -> dict[str, Any]:
    scheduled = {
        str(one.template): {name: count or 0 for name, count in one.scheduled.items()}
        for one in progress
        if one.scheduled
    }
    unserved = {str(one.template): one.unserved for one in progress if one.unserved}
    declared = {key: value for key, value in props.items() if key != _UNSERVED}
    return {
        **_each(declared, reference_to),
        _SETTLED: settled,
        _SCHEDULED: scheduled,
        _WRITTEN: marks.to_json(),
        **({_UNSERVED: unserved} if unserved else {}),
    }


class Rollout(Resource, module="flotilla", name="Rollout"):
    """A workload's rollout; depends on its templates and policies."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the wait.

        Args:
            name: the resource's name.
            props: kubeconfig, workload, templates (each as `template_references.reference_to` returns it), placement,
                overrideRules, timeout (seconds), and members: for each expected cluster, by name, its `id`, and
                `unanswered`, the reason why it doesn't answer now ('' where it does). Further properties are set where
                they apply: policy (the name of its policies, if it differs from the workload's), suspension (Karmada's
                Suspension), lazy (its ActivationPreference is Lazy), ready (the goals of objects, by selector:
                flotilla.karmada.status.ready), karmadaVersion (`1.18`, without the patch release), followers (objects
                that no policy selects and that follow the templates; each has the form of a template), policies (the
                names of policies outside the workload's own namespace, by namespace), after (the workloads before this
                one, for plans; `opts` sets the order), and rollout and attempt (how changes are divided into waves:
                flotilla.karmada.waves.subject).
            opts: resource options.
        """
        sealed = pulumi.ResourceOptions(additional_secret_outputs=[_WRITTEN])
        secret = any(template["kind"] == "Secret" for template in _objects_in(props))
        super().__init__(RolloutProvider(), name, props, pulumi.ResourceOptions.merge(opts, sealed if secret else None))
