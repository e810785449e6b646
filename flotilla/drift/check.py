"""A whole look for drift: every cluster side by side, each bounded in time, none taken for gone that didn't answer."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from flotilla.deploy.declared import CONTROL_PLANE, Declared, declared
from flotilla.deploy.interface import Stack
from flotilla.drift.certificates import check_certificates
from flotilla.drift.findings import DriftReport, Finding, Layer, Unknown
from flotilla.drift.members import check_access, compare_sent, find_unwanted, find_wider_rights, sent_to
from flotilla.drift.plan import compare_object
from flotilla.drift.propagation import check_clusters, check_policies, check_rollout
from flotilla.drift.releases import check_release
from flotilla.errors import ClusterError, FlotillaError
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection

_CLUSTERS_AT_ONCE = 32
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


def check_drift(declared: Declared, limits: Limits | None = None) -> DriftReport:
    """Compare what a stack declares with its control plane and its members.

    Raises nothing for clusters that don't answer: they are `unknown` in the report.
    """
    limits = limits or Limits()
    connections = {
        name: Connection(kubeconfigs.select(kubeconfigs.load(text)), name=name, timeout=_ANSWER_SECONDS)
        for name, text in declared.kubeconfigs.items()
    }
    first = _look(declared, connections, limits.seconds)
    if not first.findings or not limits.second_look:
        return first
    time.sleep(limits.second_look)
    return first.confirmed_by(_look(declared, connections, limits.seconds))


def check_stack(stack: Stack, name: str, seconds: float) -> DriftReport:
    """Look for drift of what a stack's state has.

    Raises:
        FlotillaError: it has nothing deployed.
    """
    found = declared(stack.snapshot())
    if not found.objects:
        raise FlotillaError(f"stack {name} has nothing deployed", hint="run `flotilla up` first")
    return check_drift(found, Limits(seconds=seconds))


@dataclass
class _Outcome:
    """What one cluster's look came to; `unknown` says why it ended early."""

    findings: list[Finding] = field(default_factory=list)
    objects: int = 0
    unknown: str = ""


def _look(declared: Declared, connections: dict[str, Connection], seconds: float) -> DriftReport:
    began = time.monotonic()
    # Before the threads: how warnings about certificates are kept quiet is the whole process's setting.
    certificates = [f for name, text in declared.kubeconfigs.items() for f in check_certificates(name, text)]
    pool = ThreadPoolExecutor(max_workers=_CLUSTERS_AT_ONCE, thread_name_prefix="drift")
    futures = {pool.submit(_cluster, declared, connections, name): name for name in connections}
    done, late = wait(futures, timeout=seconds)
    pool.shutdown(wait=False, cancel_futures=True)
    outcomes = {futures[future]: future.result() for future in done}
    unknown = [Unknown(futures[future], f"not done within {seconds:.0f} s") for future in late]
    unknown += [Unknown(name, outcome.unknown) for name, outcome in outcomes.items() if outcome.unknown]
    findings = certificates + [finding for outcome in outcomes.values() for finding in outcome.findings]
    return DriftReport(
        tuple(sorted(_once(findings), key=lambda f: (list(Layer).index(f.layer), f.cluster, f.object, f.path))),
        tuple(sorted(unknown, key=lambda u: u.cluster)),
        tuple(sorted(connections)),
        sum(outcome.objects for outcome in outcomes.values()),
        time.monotonic() - began,
    )


def _cluster(declared: Declared, connections: dict[str, Connection], name: str) -> _Outcome:
    outcome = _Outcome()
    try:
        _plan(outcome, declared, connections[name], name)
        if name == CONTROL_PLANE:
            _propagation(outcome, declared, connections[name])
        elif name in declared.members:
            _member(outcome, declared, connections, name)
    except ClusterError as error:
        outcome.unknown = error.message
    return outcome


def _plan(outcome: _Outcome, declared: Declared, connection: Connection, name: str) -> None:
    for obj in declared.objects.get(name, []):
        outcome.findings += compare_object(connection, name, obj)
        outcome.objects += 1
    for namespace, release in declared.releases.get(name, []):
        outcome.findings += check_release(connection, name, namespace, release)


def _propagation(outcome: _Outcome, declared: Declared, connection: Connection) -> None:
    outcome.findings += check_clusters(connection, declared)
    outcome.findings += check_policies(connection, declared)
    for name, check in declared.rollouts.items():
        outcome.findings += check_rollout(connection, name, check)


def _member(outcome: _Outcome, declared: Declared, connections: dict[str, Connection], name: str) -> None:
    connection, control_plane = connections[name], connections[CONTROL_PLANE]
    outcome.findings += find_wider_rights(connection, name, declared.account(name))
    outcome.findings += check_access(control_plane, connection, declared.kubeconfigs[name], name)
    sent = sent_to(control_plane, name)
    for obj in sent:
        outcome.findings += compare_sent(connection, name, obj)
        outcome.objects += 1
    outcome.findings += find_unwanted(connection, name, sent)


_FOLLOWS = frozenset({"not-propagated", "not-healthy"})


def _once(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out what only follows from another finding: a template that isn't as declared can't be propagated so."""
    kept = list(findings)
    planned = {f.object for f in kept if f.layer is Layer.PLAN and f.cluster == CONTROL_PLANE}
    return [f for f in kept if f.rule not in _FOLLOWS or f.object not in planned]
