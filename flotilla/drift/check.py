"""The drift check of a whole fleet. Clusters are checked in parallel, each with a time limit.

Objects of a cluster that does not answer are not reported as missing: the cluster is `unknown`.
"""

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
from flotilla.drift.waves import Waves, read_waves
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.status.reading import read_all
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ref_of

_CLUSTERS_AT_ONCE = 32
_REASONS = 5
_ANSWER_SECONDS = 10.0
# Controllers need a moment between two writes that belong together. A finding of such a moment is gone in the second
# check.
_SECOND_CHECK_SECONDS = 3.0


@dataclass(frozen=True)
class Limits:
    """The time limits of a check, and which parts of it are done."""

    seconds: float = 120.0
    """The limit for all clusters together; a cluster that isn't done by then is unknown."""
    second_look: float = _SECOND_CHECK_SECONDS
    """Seconds until the second check, which confirms the findings; 0 for no second check."""
    fights: bool = True
    """Watch objects that were written a moment ago (`flotilla.drift.fights`)."""


def check_drift(declared: Declared, limits: Limits | None = None, rules: Sequence[OwnRule] = ()) -> DriftReport:
    """Compare what a stack declares with its control plane and its members.

    A cluster that does not answer raises no error: it is `unknown` in the report.

    Args:
        declared: what the stack declares.
        limits: the time limits; None for the defaults.
        rules: the rules of users and packages.
    """
    limits = limits or Limits()
    access = {name: _access(declared, name) for name in declared.clusters}
    report, suspects = _check_clusters(declared, access, limits.seconds, rules)
    if report.findings and limits.second_look:
        time.sleep(limits.second_look)
        second, suspects = _check_clusters(declared, access, limits.seconds, rules)
        report = report.confirmed_by(second)
    if limits.fights:
        answering = {name: one for name, one in access.items() if not isinstance(one, str)}
        report = with_fights(report, suspects, answering)
    return report


def check_stack(
    stack: Stack, name: str, seconds: float, ignores: Sequence[Ignore] = (), rules: Sequence[OwnRule] = ()
) -> DriftReport:
    """Return the drift of what a stack's state declares.

    Args:
        stack: the stack.
        name: the stack's name.
        seconds: the time limit of a check.
        ignores: the findings that the stack ignores.
        rules: the rules of users and packages.

    Raises:
        FlotillaError: the stack has nothing deployed.
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
    except Exception as error:  # noqa: BLE001 - a bad kubeconfig must not end the check of the other clusters
        return f"its kubeconfig can't be used: {_unexpected(error)}"


@dataclass
class _Outcome:
    """The result of the check of one cluster."""

    end: float
    """When the check must end, in seconds of the monotonic clock."""
    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    unknown: list[str] = field(default_factory=list)
    """The reasons why parts of the check failed."""
    suspects: list[Suspect] = field(default_factory=list)
    """The objects that were written a moment ago."""
    held_back: tuple[HeldBack, ...] = ()
    """What a rollout holds back."""

    def record(self, check: Callable[[], list[Finding]]) -> None:
        """Run one check and record its findings. If it fails, record why, so that the other checks still run.

        Raises:
            ClusterError: the whole cluster does not answer, so further checks are useless.
        """
        if time.monotonic() > self.end:
            raise ClusterError("the comparison took too long and is not complete")
        try:
            self.findings += check()
        except ClusterError as error:
            if error.whole_cluster:
                raise
            self.unknown.append(error.message)
        except FlotillaError as error:
            self.unknown.append(error.message)
        except Exception as error:  # noqa: BLE001 - an object of an unknown form must not end the other checks
            self.unknown.append(f"an object there can't be read: {_unexpected(error)}")


def _unexpected(error: Exception) -> str:
    """Return a description of an error without its text, because the text may contain a secret value."""
    return f"a value has a form that is not expected ({type(error).__name__})"


def _check_clusters(
    declared: Declared, access: dict[str, Access], seconds: float, rules: Sequence[OwnRule]
) -> tuple[DriftReport, dict[str, list[Suspect]]]:
    began = time.monotonic()
    outcomes = {name: _Outcome(began + seconds) for name in access}
    # Not in the threads: the filter for warnings about certificates is a setting of the whole process.
    for name, text in declared.kubeconfigs.items():
        if not isinstance(access[name], str):
            outcomes[name].record(partial(check_certificates, name, text))
    pool = ThreadPoolExecutor(max_workers=_CLUSTERS_AT_ONCE, thread_name_prefix="drift")
    reading = _Reading(pool, declared, access.get(CONTROL_PLANE, "the state has no control plane"))
    futures = {pool.submit(_cluster, outcomes[name], declared, access, reading, name, rules): name for name in access}
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
        held_back=tuple(one for outcome in found.values() for one in outcome.held_back),
    )
    return report.with_findings(_without_consequences(without_moving(findings, declared))), {
        name: outcome.suspects for name, outcome in found.items()
    }


def _reasons(outcome: _Outcome) -> str:
    reasons = list(dict.fromkeys(outcome.unknown))
    more = len(reasons) - _REASONS
    return "; ".join([*reasons[:_REASONS], *([f"and {more} more"] if more > 0 else [])])


class _Reading:
    """Reads the control plane's snapshot once, for the propagation layer and for every member."""

    def __init__(self, pool: ThreadPoolExecutor, declared: Declared, control_plane: Access) -> None:
        """Start to read as the first task of the pool, so that tasks which wait for it can't take all threads."""
        self.control_plane = control_plane
        templates = [ref_of(template) for check in declared.rollouts.values() for template in check.objects]
        if not isinstance(control_plane, str):
            self._snapshot = pool.submit(read_all, control_plane, templates)

    def snapshot(self) -> Snapshot:
        """Wait for the snapshot and return it.

        Raises:
            ClusterError: the control plane did not answer.
        """
        return self._snapshot.result()


def _cluster(
    outcome: _Outcome,
    declared: Declared,
    access: dict[str, Access],
    reading: _Reading,
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
            _propagation(outcome, declared, connection, reading)
        elif name in declared.members:
            _member(outcome, declared, connection, reading, comparing)
        seen = Seen(name, connection, tuple(declared.objects.get(name, ())))
        for rule in rules:
            outcome.record(rule.on(seen))
    except FlotillaError as error:
        outcome.unknown.append(error.message)
    except Exception as error:  # noqa: BLE001 - after an unexpected error the cluster is unknown; it must not look clean
        outcome.unknown.append(_unexpected(error))


def _plan(outcome: _Outcome, declared: Declared, connection: Connection, comparing: Comparing) -> None:
    name = connection.name
    for obj in declared.objects.get(name, []):
        answer = declared.answers.get(name, {}).get(ref_of(obj))
        outcome.record(partial(compare_object, connection, name, obj, comparing, answer=answer))
        outcome.objects += 1
    for namespace, release in declared.releases.get(name, []):
        outcome.record(partial(check_release, connection, name, namespace, release, comparing))


def _propagation(outcome: _Outcome, declared: Declared, connection: Connection, reading: _Reading) -> None:
    policies: list[Object] = []
    outcome.record(partial(_policies, connection, declared, policies))
    outcome.findings += check_complete(declared)
    waves = _waves(outcome, connection, declared, policies)
    snapshot = reading.snapshot()
    outcome.record(partial(check_unclaimed, connection, declared, snapshot))
    outcome.record(partial(check_clusters, snapshot, declared))
    for name, check in declared.rollouts.items():
        for one in waves.expected(name, check):
            outcome.record(partial(check_rollout, snapshot, name, one))


def _policies(connection: Connection, declared: Declared, found: list[Object]) -> list[Finding]:
    """Return the findings about policies outside the stack, and add all policies of the control plane to `found`."""
    found += list_policies(connection)
    return check_policies(found, declared)


def _waves(outcome: _Outcome, connection: Connection, declared: Declared, policies: list[Object]) -> Waves:
    """Read the changes in waves; note in the findings so far which of them these changes explain."""
    seen = Waves()

    def read() -> list[Finding]:
        nonlocal seen
        seen = read_waves(connection, declared, policies)
        if seen.problem:
            outcome.unknown.append(seen.problem)
        return list(seen.findings)

    outcome.record(read)
    outcome.held_back = seen.held_back
    outcome.findings = [seen.explained(finding) for finding in outcome.findings]
    return seen


def _member(
    outcome: _Outcome, declared: Declared, connection: Connection, reading: _Reading, comparing: Comparing
) -> None:
    name = connection.name
    outcome.record(partial(find_wider_rights, connection, name, declared.account(name)))
    if isinstance(reading.control_plane, str):
        outcome.unknown.append(f"what Karmada sends is not known: {reading.control_plane}")
        return
    outcome.record(partial(check_access, reading.control_plane, connection, declared.kubeconfigs[name], name))
    snapshot = reading.snapshot()
    sent = sent_to(snapshot, name)
    for obj in sent:
        outcome.record(partial(compare_sent, connection, name, obj, comparing))
        outcome.objects += 1
    outcome.record(partial(find_autoscaled, connection, name, sent))
    outcome.record(partial(find_unwanted, connection, name, carried_to(snapshot, name)))


_FOLLOWS = frozenset({"not-propagated", "not-healthy"})


def _without_consequences(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out findings that follow from another one: a template that isn't as declared can't be propagated right."""
    kept = list(findings)
    planned = {f.object for f in kept if f.layer is Layer.PLAN and f.cluster == CONTROL_PLANE}
    return [f for f in kept if f.rule not in _FOLLOWS or f.object not in planned]
