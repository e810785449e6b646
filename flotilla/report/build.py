"""Builds reports of a fleet, of a plan and of drift."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from flotilla.drift.findings import DriftReport, Finding, Ignored
from flotilla.drift.formats import REMEDIES
from flotilla.karmada.simulation.losses import Loss
from flotilla.karmada.simulation.outcome import Verdict as LossVerdict
from flotilla.karmada.simulation.texts import ends_text, loss_text, moves_text
from flotilla.observe.fleet import FleetStatus
from flotilla.observe.members import MemberStatus
from flotilla.observe.workloads import CopyStatus
from flotilla.plan.fleet import FleetPlan
from flotilla.plan.in_members import Outcome
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Op, Result, Step, stays
from flotilla.policy.evaluate import Status, Verdict
from flotilla.report.graph import HEALTH, PLANNED, State, fleet_graph, plan_graph
from flotilla.report.model import Fact, Item, Report, Row, Section
from flotilla.state.diff import Change
from flotilla.state.values import mask

_GIB = 2**30
_STEP_STATES = {
    Op.CREATE: State.NEW,
    Op.IMPORT: State.NEW,
    Op.ADOPT: State.CHANGED,
    Op.CREATE_REPLACEMENT: State.NEW,
    Op.UPDATE: State.CHANGED,
    Op.REPLACE: State.CHANGED,
    Op.DELETE: State.GONE,
    Op.DELETE_REPLACED: State.GONE,
}
_LONGEST = 2000


def fleet_report(status: FleetStatus, *, stack: str, now: dt.datetime | None = None) -> Report:
    """Return the report of a running fleet."""
    s = status.summary
    facts = (
        Fact("members ready", f"{s['membersReady']}/{s['members']}", _all(s["membersReady"], s["members"])),
        Fact("workloads", str(s["workloads"])),
        Fact("copies healthy", f"{s['copiesHealthy']}/{s['copies']}", _all(s["copiesHealthy"], s["copies"])),
    )
    sections = (
        Section("Clusters", tuple(_member(m) for m in status.members), empty="no members"),
        Section("Workloads", tuple(_copy(c) for c in status.workloads), empty="no workloads"),
    )
    title = f"Fleet of {stack}"
    return Report(title, _when(now), facts, sections, fleet_graph(status, title=title))


def plan_report(
    plan: FleetPlan,
    result: Result,
    *,
    stack: str,
    engine: str,
    verdicts: Iterable[Verdict] = (),
    losses: Iterable[Loss] = (),
    now: dt.datetime | None = None,
) -> Report:
    """Return the report of a plan: clusters and workloads, each resource that changes, and violated policies.

    Args:
        plan: what the plan means for the fleet.
        result: the plan's steps.
        stack: the stack's name.
        engine: the engine that made the plan.
        verdicts: the verdicts of the policies.
        losses: the effects of the loss of each cluster, region and zone, if they were simulated.
        now: the time of the report; None for the present.
    """
    counts = result.counts()
    adopted = ((Op.ADOPT, State.OK),) if counts.get(Op.ADOPT) else ()
    counted = (
        *adopted,
        (Op.CREATE, State.NEW),
        (Op.UPDATE, State.CHANGED),
        (Op.REPLACE, State.CHANGED),
        (Op.DELETE, State.GONE),
    )
    facts = tuple(
        Fact(f"to {op}", str(counts.get(op, 0)), state if counts.get(op) else State.OK) for op, state in counted
    )
    failed = [verdict for verdict in verdicts if verdict.status is Status.FAIL]
    sections = [
        Section("Clusters", tuple(_verb(c.name, c.verb, c.details) for c in plan.clusters), empty="none declared"),
        *_maintenance(plan),
        Section("Workloads", tuple(_workloads(plan)), empty="none declared"),
        *_control_plane(plan),
        *_there(result),
        *_in_members(plan),
        *losses_section(losses),
        Section(
            "Policies",
            tuple(_verdict(verdict) for verdict in failed),
            empty="no policy is violated",
        ),
        Section(
            "Resources that change",
            tuple(_step(step) for step in result.changes),
            before="before",
            after="after",
            empty="no changes",
        ),
    ]
    title = f"Plan for {stack}"
    graph = plan_graph(plan, title=title)
    reach = f"; {plan.blast_radius.text}" if plan.blast_radius.text else ""
    subtitle = f"{engine} engine; {_when(now)}{reach}"
    return Report(title, subtitle, facts, tuple(sections), graph, tuple(result.failures))


def drift_report(
    report: DriftReport, *, stack: str, status: FleetStatus | None = None, now: dt.datetime | None = None
) -> Report:
    """Return the report of drift, cluster by cluster; with the fleet's picture if its status is known."""
    found = len(report.findings)
    facts = (
        Fact("findings", str(found), State.BAD if found else State.OK),
        Fact("clusters unknown", str(len(report.unknown)), State.WAITING if report.unknown else State.OK),
        Fact("objects compared", str(report.objects)),
        *((Fact("ignored", str(len(report.ignored))),) if report.ignored else ()),
        *((Fact("held back", str(len(report.held_back)), State.WAITING),) if report.held_back else ()),
    )
    clusters = sorted({finding.cluster for finding in report.findings})
    sections = [
        Section(
            f"In {cluster}",
            tuple(_finding(f) for f in report.findings if f.cluster == cluster),
            before="found",
            after="wanted",
        )
        for cluster in clusters
    ]
    unknown = tuple(Item(u.cluster, State.WAITING, u.reason, word="unknown") for u in report.unknown)
    if unknown:
        sections.append(Section("Could not be asked", unknown))
    ignored = tuple(_ignored(one) for one in report.ignored)
    if ignored:
        sections.append(Section("Ignored", ignored, before="found", after="wanted"))
    held_back = tuple(
        Item(f"workload {one.workload}", State.WAITING, one.text, word="held back") for one in report.held_back
    )
    if held_back:
        sections.append(Section("Held back by the rollout, on purpose", held_back))
    title = f"Drift of {stack}"
    graph = fleet_graph(status, title=f"Fleet of {stack}") if status else None
    everything = "everything else" if ignored or held_back else "everything"
    clean = () if found or unknown else (f"No drift: {everything} is as it was declared.",)
    return Report(title, _when(now), facts, tuple(sections), graph, (*clean, *report.notices))


def _when(now: dt.datetime | None) -> str:
    return f"as of {(now or dt.datetime.now(dt.UTC)).strftime('%Y-%m-%d %H:%M UTC')}"


def _all(part: int, whole: int) -> State:
    return State.OK if part == whole else State.BAD


# -- items ----------------------------------------------------------------------------------------


def _member(member: MemberStatus) -> Item:
    values = {
        "since": member.since,
        "endpoint": member.endpoint,
        "nodes ready": f"{member.nodes_ready} of {member.nodes}",
        "provider": member.provider,
        "region": member.region,
        "zones": ", ".join(member.zones),
        "labels": ", ".join(f"{key}={value}" for key, value in sorted(member.labels.items())),
        "taints": ", ".join(member.taints),
        "maintenance": member.maintenance,
        **{name: f"{u.percent}% of {_amount(name, u.allocatable)} requested" for name, u in member.usage.items()},
    }
    summary = member.reason or f"{member.mode}, {member.version}"
    rows = tuple(Row(name, after=value) for name, value in values.items() if value)
    state, word = (State.OK, "ready") if member.ready else (State.BAD, "not ready")
    return Item(member.name, state, summary, rows, word=word)


def _amount(name: str, value: float) -> str:
    return f"{value / _GIB:.4g} GiB" if name == "memory" else f"{value:.4g}"


def _copy(copy: CopyStatus) -> Item:
    values = {
        "replicas ready": "" if copy.ready is None else f"{copy.ready} of {copy.desired}",
        "Job": copy.progress if copy.ready is None else "",
        "images": ", ".join(copy.images),
        "overrides in force": ", ".join(copy.overrides),
        "since": copy.since,
        "why": copy.reason,
    }
    rows = tuple(Row(name, after=value) for name, value in values.items() if value)
    name = f"{copy.namespace + '/' if copy.namespace else ''}{copy.workload} in {copy.cluster}"
    return Item(name, HEALTH.get(copy.health, State.WAITING), copy.reason, rows, word=copy.health)


def _verb(name: str, verb: str, details: Iterable[str]) -> Item:
    rows = tuple(Row(detail) for detail in details)
    return Item(name, PLANNED[verb], rows=rows, word=verb)


def _maintenance(plan: FleetPlan) -> list[Section]:
    items = tuple(
        Item(one.member, State.WAITING, one.title, tuple(Row(line) for line in one.lines), word=one.after or "ends")
        for one in plan.maintenance
    )
    return [Section("Maintenance", items)] if items else []


def _workloads(plan: FleetPlan) -> Iterable[Item]:
    for workload in plan.workloads:
        if workload.problem:
            yield Item(workload.name, State.BAD, workload.problem)
        for copy in workload.copies:
            yield _verb(f"{workload.name} in {copy.cluster}", copy.verb, copy.details)
        for follower in workload.follows:
            for name, verb in sorted(follower.clusters.items()):
                state = PLANNED.get(verb, State.WAITING)
                yield Item(f"{workload.name} in {name}", state, follower.text(name), word="follows")
        if workload.rollout:
            rows = tuple(Row(line) for line in workload.rollout.lines)
            yield Item(workload.name, State.WAITING, "changes in waves", rows, word="rollout")
        for cluster in workload.unscheduled:
            yield Item(f"{workload.name} in {cluster.cluster}", State.WAITING, f"won't be scheduled: {cluster}")
        for text in (*map(str, workload.undecided), *workload.unplaced):
            yield Item(workload.name, State.WAITING, text)
        for notice in workload.notices:
            yield Item(workload.name, State.WAITING, notice_text(notice))


def _in_members(plan: FleetPlan) -> list[Section]:
    """Return a section of objects that members have already; no section if there are none."""
    bad = (Outcome.STOPS, Outcome.IMPOSSIBLE)
    items = tuple(
        Item(
            f"{one.workload} in {one.cluster}",
            State.BAD if one.outcome in bad else State.WAITING,
            one.text,
            word=str(one.outcome),
        )
        for one in plan.there
    )
    unasked = tuple(Item(name, State.WAITING, why, word="not asked") for name, why in sorted(plan.unasked.items()))
    return [Section("Exist already in members", (*items, *unasked))] if items or unasked else []


def _control_plane(plan: FleetPlan) -> list[Section]:
    """Return a section of the control plane's own objects; no section if the stack declares none."""
    items = tuple(_verb(one.name, one.verb, one.details) for one in plan.control_plane)
    return [Section("Control plane", items)] if items else []


def _there(result: Result) -> list[Section]:
    """Return a section of objects that exist already and are not to be adopted; no section if there are none."""
    items = tuple(
        Item(f"{one.object} in {one.cluster}", State.BAD, f"of {one.part}", word="exists already")
        for one in sorted(result.there, key=lambda one: (one.cluster, one.object))
    )
    return [Section("Exist already: `up` stops at these, `up --adopt` takes them over", items)] if items else []


def losses_section(losses: Iterable[Loss]) -> list[Section]:
    """Return a section of simulated losses, the worst first; no section if nothing was simulated."""
    listed = sorted(losses, key=lambda one: (not one.ends, not one.may_end))
    items = tuple(_loss(one) for one in listed)
    return [Section("If a cluster, a region or a zone is lost", items)] if items else []


def _loss(loss: Loss) -> Item:
    if loss.ends:
        state, word, summary = State.BAD, "single point of failure", f"lost: {ends_text(loss.ends)}"
    elif loss.may_end:
        state, word, summary = State.WAITING, "may be a single point", f"may be lost: {ends_text(loss.may_end)}"
    else:
        state, word, summary = State.OK, "survived", ""
    changed = (one for one in loss.outcomes if one.verdict is not LossVerdict.SAME)
    rows = tuple(Row(f"{one.workload}: {one.template}", after=f"{one.verdict}: {moves_text(one)}") for one in changed)
    return Item(loss_text(loss), state, summary, rows, word=word)


def _verdict(verdict: Verdict) -> Item:
    state, word = (State.BAD, "refused") if verdict.refuses else (State.WAITING, "advice")
    rows = (Row("reason", after=verdict.rule.reason), Row("remedy", after=verdict.rule.remedy))
    return Item(f"{verdict.rule.name}: {verdict.resource}", state, verdict.message, rows, word=word)


def _step(step: Step) -> Item:
    rows = tuple(_change(change) for change in step.changes)
    state = State.OK if stays(step) else _STEP_STATES[step.op]
    return Item(step.name, state, step.type, rows, step.detail, word=str(step.op))


def _change(change: Change) -> Row:
    name = change.text + (" (forces replacement)" if change.replaces else "")
    return Row(name, _shown(change.old), _shown(change.new))


def _finding(finding: Finding) -> Item:
    rows = (
        (Row(finding.path, _shown(finding.found) or "nothing", _shown(finding.wanted)),) if finding.has_values else ()
    )
    by = f"last written by {finding.manager} {finding.time}. " if finding.manager else ""
    note = f" {finding.note}." if finding.note else ""
    remedy = f"{by}{REMEDIES[finding.remedy]}.{note}"
    return Item(finding.object, State.BAD, finding.message, rows, remedy, word=finding.rule)


def _ignored(one: Ignored) -> Item:
    item = _finding(one.finding)
    return replace(item, state=State.WAITING, text=f"Ignored until {one.until}: {one.reason}.")


def _shown(value: Any) -> str | None:
    """Return a value as text, with its secrets masked; None for a missing value."""
    if value is None:
        return None
    masked = mask(value)
    text = masked if isinstance(masked, str) else json.dumps(masked, indent=1, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
