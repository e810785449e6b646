"""A whole look for drift: every cluster side by side, each bounded in time, none taken for gone that didn't answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial

from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.deploy.interface import Stack
from flotilla.drift.autoscalers import find_autoscaled
from flotilla.drift.certificates import check_certificates
from flotilla.drift.comparing import Comparing, Suspect
from flotilla.drift.fights import with_fights
from flotilla.drift.findings import DriftReport, Finding, HeldBack, Layer, Unknown
from flotilla.drift.held import Waves, read_waves
from flotilla.drift.ignoring import Ignore, with_ignored
from flotilla.drift.members import carried_to, check_access, compare_sent, find_unwanted, find_wider_rights, sent_to
from flotilla.drift.moving import without_moving
from flotilla.drift.own_rules import OwnRule, Seen
from flotilla.drift.plan import compare_object
from flotilla.drift.propagation import (
    check_clusters,
    check_complete,
    check_policies,
    check_rollout,
    check_unclaimed,
    list_policies,
)
from flotilla.drift.releases import check_release
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.status.reading import read_all
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ref_of

_CLUSTERS_AT_ONCE = 32
_REASONS = 5
_ANSWER_SECONDS = 10.0
# Controllers need a moment between two objects that belong together: what a second look doesn't find was that.
_SECOND_LOOK_SECONDS = 3.0


@dataclass(frozen=True)
class Limits:
    """How long a look may take."""

    seconds: float = 120.0
    """For all clusters together; one that isn't done by then is unknown."""
    second_look: float = _SECOND_LOOK_SECONDS
    """Seconds until the second look that confirms what was found; 0 for none."""
    fights: bool = True
    """Objects that somebody has written just before are watched for a while (`flotilla.drift.fights`)."""


def check_drift(declared: Declared, limits: Limits | None = None, rules: Sequence[OwnRule] = ()) -> DriftReport:
    """Compare what a stack declares with its control plane and its members; `rules` are those that others wrote.

    Raises nothing for clusters that don't answer: they are `unknown` in the report.
    """
    limits = limits or Limits()
    access = {name: _access(declared, name) for name in declared.clusters}
    report, suspects = _look(declared, access, limits.seconds, rules)
    if report.findings and limits.second_look:
        time.sleep(limits.second_look)
        second, suspects = _look(declared, access, limits.seconds, rules)
        report = report.confirmed_by(second)
    if limits.fights:
        answering = {name: one for name, one in access.items() if not isinstance(one, str)}
        report = with_fights(report, suspects, answering)
    return report


def check_stack(
    stack: Stack, name: str, seconds: float, ignores: Sequence[Ignore] = (), rules: Sequence[OwnRule] = ()
) -> DriftReport:
    """Look for drift of what a stack's state has.

    Args:
        stack: the stack.
        name: its name.
        seconds: how long a look may take.
        ignores: what the stack ignores.
        rules: those that others wrote.

    Raises:
        FlotillaError: it has nothing deployed.
    """
    found = declared(stack.snapshot())
    if not found.objects:
        raise FlotillaError(f"stack {name} has nothing deployed", hint="run `flotilla up` first")
    return with_ignored(check_drift(found, Limits(seconds=seconds), rules), ignores)


Access = Connection | str
"""A cluster's connection, or why there is none."""


def _access(declared: Declared, name: str) -> Access:
    text = declared.kubeconfigs.get(name)
    if text is None:
        return "the state has no kubeconfig of it"
    try:
        document = kubeconfigs.select(kubeconfigs.load(text, origin=f"the state's kubeconfig of {name}"))
        return Connection(document, name=name, timeout=_ANSWER_SECONDS)
    except FlotillaError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - what is wrong with one kubeconfig is that cluster's trouble
        return f"its kubeconfig can't be used: {_unexpected(error)}"


@dataclass
class _Outcome:
    """What one cluster's look came to."""

    end: float
    """When the look has to be over, on the monotonic clock."""
    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    unknown: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""
    suspects: list[Suspect] = field(default_factory=list)
    """The objects that somebody has written just before."""
    held: tuple[HeldBack, ...] = ()
    """What a rollout holds back."""

    def look(self, ask: Callable[[], list[Finding]]) -> None:
        """Record what one check finds; where it fails, record why, so that the other checks still run.

        Raises:
            ClusterError: no other question would be answered.
        """
        if time.monotonic() > self.end:
            raise ClusterError("the comparison took too long and is not complete")
        try:
            self.findings += ask()
        except ClusterError as error:
            if error.whole_cluster:
                raise
            self.unknown.append(error.message)
        except FlotillaError as error:
            self.unknown.append(error.message)
        except Exception as error:  # noqa: BLE001 - an object of an odd form ends neither this look nor the others'
            self.unknown.append(f"an object there can't be read: {_unexpected(error)}")


def _unexpected(error: Exception) -> str:
    """Name an error without its text, which may repeat a value."""
    return f"a value has a form that is not expected ({type(error).__name__})"


def _look(
    declared: Declared, access: dict[str, Access], seconds: float, rules: Sequence[OwnRule]
) -> tuple[DriftReport, dict[str, list[Suspect]]]:
    began = time.monotonic()
    outcomes = {name: _Outcome(began + seconds) for name in access}
    # Before the threads: how warnings about certificates are kept quiet is the whole process's setting.
    for name, text in declared.kubeconfigs.items():
        if not isinstance(access[name], str):
            outcomes[name].look(partial(check_certificates, name, text))
    pool = ThreadPoolExecutor(max_workers=_CLUSTERS_AT_ONCE, thread_name_prefix="drift")
    sight = _Sight(pool, declared, access.get(CONTROL_PLANE, "the state has no control plane"))
    futures = {pool.submit(_cluster, outcomes[name], declared, access, sight, name, rules): name for name in access}
    done, late = wait(futures, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    found = {futures[future]: outcomes[futures[future]] for future in done}
    unknown = [Unknown(futures[future], f"not done within {seconds:.0f} s") for future in late]
    unknown += [Unknown(name, _reasons(outcome)) for name, outcome in found.items() if outcome.unknown]
    findings = [finding for outcome in found.values() for finding in outcome.findings]
    report = DriftReport(
        unknown=tuple(sorted(unknown, key=lambda u: u.cluster)),
        clusters=tuple(sorted(access)),
        objects=sum(outcome.objects for outcome in found.values()),
        seconds=time.monotonic() - began,
        held=tuple(one for outcome in found.values() for one in outcome.held),
    )
    return report.with_findings(_once(without_moving(findings, declared))), {
        name: outcome.suspects for name, outcome in found.items()
    }


def _reasons(outcome: _Outcome) -> str:
    once = list(dict.fromkeys(outcome.unknown))
    more = len(once) - _REASONS
    return "; ".join([*once[:_REASONS], *([f"and {more} more"] if more > 0 else [])])


class _Sight:
    """The control plane's snapshot, read once for the propagation layer and every member's."""

    def __init__(self, pool: ThreadPoolExecutor, declared: Declared, control_plane: Access) -> None:
        """Begin to read; it comes before every other task, so that none that waits for it takes its place."""
        self.control_plane = control_plane
        templates = [ref_of(template) for check in declared.rollouts.values() for template in check.objects]
        if not isinstance(control_plane, str):
            self._reading = pool.submit(read_all, control_plane, templates)

    def snapshot(self) -> Snapshot:
        """Wait for it.

        Raises:
            ClusterError: the control plane could not be asked.
        """
        return self._reading.result()


def _cluster(
    outcome: _Outcome,
    declared: Declared,
    access: dict[str, Access],
    sight: _Sight,
    name: str,
    rules: Sequence[OwnRule],
) -> None:
    connection = access[name]
    if isinstance(connection, str):
        outcome.unknown.append(connection)
        return
    comparing = Comparing(connection)
    outcome.suspects = comparing.suspects
    try:
        _plan(outcome, declared, connection, comparing)
        if name == CONTROL_PLANE:
            _propagation(outcome, declared, connection, sight)
        elif name in declared.members:
            _member(outcome, declared, connection, sight, comparing)
        seen = Seen(name, connection, tuple(declared.objects.get(name, ())))
        for rule in rules:
            outcome.look(rule.on(seen))
    except FlotillaError as error:
        outcome.unknown.append(error.message)
    except Exception as error:  # noqa: BLE001 - what nobody expects is not known; it must not look clean
        outcome.unknown.append(_unexpected(error))


def _plan(outcome: _Outcome, declared: Declared, connection: Connection, comparing: Comparing) -> None:
    name = connection.name
    for obj in declared.objects.get(name, []):
        answer = declared.answers.get(name, {}).get(ref_of(obj))
        outcome.look(partial(compare_object, connection, name, obj, comparing, answer=answer))
        outcome.objects += 1
    for namespace, release in declared.releases.get(name, []):
        outcome.look(partial(check_release, connection, name, namespace, release, comparing))


def _propagation(outcome: _Outcome, declared: Declared, connection: Connection, sight: _Sight) -> None:
    policies: list[Object] = []
    outcome.look(partial(_policies, connection, declared, policies))
    outcome.findings += check_complete(declared)
    waves = _waves(outcome, connection, declared, policies)
    snapshot = sight.snapshot()
    outcome.look(partial(check_unclaimed, connection, declared, snapshot))
    outcome.look(partial(check_clusters, snapshot, declared))
    for name, check in declared.rollouts.items():
        for one in waves.expected(name, check):
            outcome.look(partial(check_rollout, snapshot, name, one))


def _policies(connection: Connection, declared: Declared, found: list[Object]) -> list[Finding]:
    """Look for policies of others, and put all that are there into `found`."""
    found += list_policies(connection)
    return check_policies(found, declared)


def _waves(outcome: _Outcome, connection: Connection, declared: Declared, policies: list[Object]) -> Waves:
    """Look at changes in waves; what they explain of the findings so far is said there."""
    seen = Waves()

    def look() -> list[Finding]:
        nonlocal seen
        seen = read_waves(connection, declared, policies)
        if seen.problem:
            outcome.unknown.append(seen.problem)
        return list(seen.findings)

    outcome.look(look)
    outcome.held = seen.held
    outcome.findings = [seen.explained(finding) for finding in outcome.findings]
    return seen


def _member(outcome: _Outcome, declared: Declared, connection: Connection, sight: _Sight, comparing: Comparing) -> None:
    name = connection.name
    outcome.look(partial(find_wider_rights, connection, name, declared.account(name)))
    if isinstance(sight.control_plane, str):
        outcome.unknown.append(f"what Karmada sends is not known: {sight.control_plane}")
        return
    outcome.look(partial(check_access, sight.control_plane, connection, declared.kubeconfigs[name], name))
    snapshot = sight.snapshot()
    sent = sent_to(snapshot, name)
    for obj in sent:
        outcome.look(partial(compare_sent, connection, name, obj, comparing))
        outcome.objects += 1
    outcome.look(partial(find_autoscaled, connection, name, sent))
    outcome.look(partial(find_unwanted, connection, name, carried_to(snapshot, name)))


_FOLLOWS = frozenset({"not-propagated", "not-healthy"})


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out what only follows from another finding: a template that isn't as declared can't be propagated so."""
    kept = list(findings)
    planned = {f.object for f in kept if f.layer is Layer.PLAN and f.cluster == CONTROL_PLANE}
    return [f for f in kept if f.rule not in _FOLLOWS or f.object not in planned]
