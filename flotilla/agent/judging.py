"""Tools that check a stack and change nothing: its file, the plan of `up`, drift, and the project's policies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from flotilla.agent.bounds import cut, page
from flotilla.agent.edits import Edit
from flotilla.agent.planning import Planned, planned
from flotilla.agent.proposals import proposed_fleet
from flotilla.agent.tool import Answer, Arguments, PagedAnswer, PagedArguments, Tool
from flotilla.agent.workplace import Workplace
from flotilla.counts import counted
from flotilla.deploy.stack_file import fleet_of
from flotilla.drift.check import check_stack
from flotilla.drift.formats import ignored_sentence, sentence
from flotilla.drift.own_rules import own_rules
from flotilla.errors import FlotillaError
from flotilla.plan.changes import change_text
from flotilla.plan.notices import notice_text
from flotilla.plan.steps import Step
from flotilla.stack.load import drift_settings
from flotilla.stack.problems import ConfigError

_SHOWN_CHANGES = 20
_SHOWN_PROBLEMS = 40
_SHOWN_NAMES = 100
_PLANNING_SECONDS = 300.0
_DRIFT_SECONDS = 660.0
"""Two checks of at most 300 s each, and the time between them."""


class ValidateStack(Arguments):
    """The stack file to validate."""

    text: str = Field(
        default="", max_length=200_000, description="A complete stack file as YAML; empty for the stack's own file."
    )


class Validation(Answer):
    """Whether a stack file is valid."""

    valid: bool
    problems: list[str] = Field(description="Every problem: key, value, rule, consequence and remedy.")
    members: list[str] = Field(description=f"The members that the file declares, at most {_SHOWN_NAMES}.")
    workloads: list[str] = Field(description=f"The workloads that the file declares, at most {_SHOWN_NAMES}.")


class PreviewChange(PagedArguments):
    """The change to preview."""

    change: Edit | None = Field(
        default=None, description="A change of the stack file to preview; leave it out to preview the file as it is."
    )


class ClusterEffect(Answer):
    """The effect of a plan on a cluster, or on a workload in a cluster."""

    what: str
    verb: str = Field(
        description="joins, adopted (exists already and becomes the stack's), leaves, new, gone, changes, stays, "
        "unscheduled (Karmada won't schedule it there), maintenance (of a member), undecided (Karmada chooses), "
        "follows (an object that comes or goes with the workload: `dependencies`), rollout (in which waves it "
        "changes), there already (the member has the object), not asked (a member whose objects are not known), or "
        "notice (read it before you apply the plan)."
    )
    details: list[str]


class ResourceChange(Answer):
    """One resource that changes."""

    operation: str = Field(description="create, adopt, update, replace, delete, ...")
    resource: str
    type: str
    changes: list[str] = Field(description="One line for each field that changes; secrets are masked.")


class PlanAnswer(PagedAnswer):
    """A plan."""

    digest: str = Field(
        description="Identifies exactly this plan. A changing tool needs it, and applies no other plan."
    )
    summary: dict[str, int] = Field(description="The number of resources by operation.")
    blast_radius: str = Field(
        description="What the plan affects: copies, clusters, pods that restart. Empty if it changes no cluster."
    )
    clusters: list[ClusterEffect]
    workloads: list[ClusterEffect] = Field(description="One entry for each workload and cluster.")
    control_plane: list[ClusterEffect] = Field(description="Objects of the control plane itself that change.")
    resources: list[ResourceChange] = Field(description="Resources that change; paged.")
    refused_by: list[str] = Field(description="Policies that refuse this plan: it can't be applied.")
    advice: list[str] = Field(description="Policies that advise against this plan.")
    next_step: str = Field(description="What to call to apply the plan.")


class CheckDrift(PagedArguments):
    """How to check for drift."""

    seconds: float = Field(default=60.0, gt=0, le=300, description="The time limit for all clusters together.")


class DriftAnswer(PagedAnswer):
    """What differs from what was declared."""

    clean: bool = Field(description="Every cluster answered, and nothing differs except what the stack file ignores.")
    unknown: dict[str, str] = Field(
        description="Clusters that did not answer, with the reason: their drift is not known."
    )
    findings: list[DriftFinding]
    ignored: list[str] = Field(
        description=f"Findings that the stack file ignores, with the reason and the last day, at most {_SHOWN_NAMES}."
    )
    notices: list[str] = Field(description="Notices about the stack file's `drift.ignore`.")
    held: list[str] = Field(  # codespell:ignore held
        description="Clusters that a change in waves has not reached yet. This is on purpose, and no drift (see "
        "rollout_status)."
    )


class DriftFinding(Answer):
    """One difference."""

    cluster: str
    rule: str
    text: str = Field(description="Object, field, wanted and found value, last writer, and remedy.")
    fixed_by: Literal["up", "karmada", "hand"]


class PolicyAnswer(PagedAnswer):
    """The verdicts of the project's policies on the stack as it is declared."""

    refused: bool = Field(description="The stack violates a mandatory policy and can't be applied.")
    verdicts: list[PolicyVerdict]


class PolicyVerdict(Answer):
    """The verdict of one policy on one resource."""

    rule: str
    resource: str
    status: str = Field(description="pass, fail, exempt or undecided (only known after an up).")
    level: str
    message: str
    remedy: str


class Judging:
    """The tools that check the stack of a workplace."""

    def __init__(self, workplace: Workplace) -> None:
        """Work on the stack of a workplace."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tools."""
        return [
            Tool(
                "validate_stack",
                "Validate a stack file",
                "Check the stack's file, or a text that you propose for it. The answer has all problems at once. A "
                "proposal may name only files in the project's folder, by relative paths; its kubeconfigs are not "
                "opened.",
                ValidateStack,
                Validation,
                self.validate_stack,
            ),
            Tool(
                "preview_change",
                "Preview a change",
                "Show what would change, without changing anything: for the stack file as it is, for the file with a "
                "move or a scale in it, or for what an earlier update declared. The changing tools need the answer's "
                "digest.",
                PreviewChange,
                PlanAnswer,
                self.preview_change,
                seconds=_PLANNING_SECONDS,
            ),
            Tool(
                "check_drift",
                "Check for drift",
                "Compare the fleet with what was declared, down to the objects in the members. Takes a few seconds.",
                CheckDrift,
                DriftAnswer,
                self.check_drift,
                seconds=_DRIFT_SECONDS,
            ),
            Tool(
                "check_policies",
                "Check the policies",
                "Check the stack as it is declared now against the project's policies. Failed policies come first.",
                PagedArguments,
                PolicyAnswer,
                self.check_policies,
                seconds=_PLANNING_SECONDS,
            ),
        ]

    def validate_stack(self, asked: ValidateStack) -> Validation:
        """Return whether the stack's file, or a proposal for it, is valid."""
        setting = self._workplace.setting()
        try:
            text = asked.text
            fleet = proposed_fleet(text, setting.stack_file, setting.project) if text else fleet_of(setting)
        except ConfigError as error:
            problems = [cut(str(problem)) for problem in error.problems[:_SHOWN_PROBLEMS]]
            more = len(error.problems) - len(problems)
            problems += [f"and {counted(more, 'more problem')}"] if more else []
            return Validation(valid=False, problems=problems, members=[], workloads=[])
        except FlotillaError as error:
            return Validation(valid=False, problems=[cut(str(error))], members=[], workloads=[])
        return Validation(
            valid=True,
            problems=[],
            members=[member.name for member in fleet.members[:_SHOWN_NAMES]],
            workloads=[workload.name for workload in fleet.workloads[:_SHOWN_NAMES]],
        )

    def preview_change(self, asked: PreviewChange) -> PlanAnswer:
        """Return the plan of a change."""
        with self._workplace.taking_turn():
            found = planned(self._workplace, asked.change)
        return plan_answer(found, asked, enabled=self._workplace.allow_changes)

    def check_drift(self, asked: CheckDrift) -> DriftAnswer:
        """Return the drift of the stack."""
        setting = self._workplace.setting()
        ignores, rules = drift_settings(setting.stack_file).ignore, own_rules(setting.project)
        report = check_stack(self._workplace.open(), self._workplace.stack, asked.seconds, ignores, rules)
        findings = [
            DriftFinding(cluster=f.cluster, rule=f.rule, text=cut(sentence(f)), fixed_by=f.remedy.value)
            for f in report.findings
        ]
        part = page(findings, asked)
        return DriftAnswer(
            total=len(findings),
            next_cursor=part.next_cursor,
            clean=report.clean,
            unknown={one.cluster: cut(one.reason) for one in report.unknown},
            findings=findings[part.first : part.end],
            ignored=[cut(f"{one.finding.cluster}: {ignored_sentence(one)}") for one in report.ignored[:_SHOWN_NAMES]],
            notices=[cut(text) for text in report.notices[:_SHOWN_PROBLEMS]],
            held=[cut(one.text) for one in report.held_back[:_SHOWN_NAMES]],  # codespell:ignore held
        )

    def check_policies(self, asked: PagedArguments) -> PolicyAnswer:
        """Return the verdicts of the policies on the stack as it is declared."""
        with self._workplace.taking_turn():
            found = planned(self._workplace, None)
        ordered = sorted(found.verdicts, key=lambda v: (v.status != "fail", v.rule.name, v.resource))
        verdicts = [
            PolicyVerdict(
                rule=v.rule.name,
                resource=v.resource,
                status=str(v.status),
                level=str(v.level),
                message=cut(v.message),
                remedy=v.rule.remedy,
            )
            for v in ordered
        ]
        part = page(verdicts, asked)
        return PolicyAnswer(
            total=len(verdicts),
            next_cursor=part.next_cursor,
            refused=bool(found.refusals),
            verdicts=verdicts[part.first : part.end],
        )


def plan_answer(found: Planned, asked: PagedArguments, *, enabled: bool) -> PlanAnswer:
    """Return a plan as an answer for an agent."""
    plan = found.plan
    resources = [_resource(step) for step in found.result.changes]
    part = page(resources, asked)
    workloads = [
        ClusterEffect(
            what=f"{w.name} in {c.cluster}", verb=c.verb, details=[cut(d) for d in c.details[:_SHOWN_CHANGES]]
        )
        for w in plan.workloads
        for c in w.copies
    ]
    workloads += [
        ClusterEffect(what=one.member, verb="maintenance", details=[cut(text) for text in (one.title, *one.lines)])
        for one in plan.maintenance
    ]
    workloads += [
        ClusterEffect(what=f"{w.name} in {u.cluster}", verb="unscheduled", details=[cut(str(u))])
        for w in plan.workloads
        for u in w.unscheduled
    ]
    workloads += [
        ClusterEffect(what=f"{w.name} in {name}", verb="follows", details=[cut(one.text(name))])
        for w in plan.workloads
        for one in w.follows
        for name, verb in sorted(one.clusters.items())
        if verb != "stays"
    ]
    workloads += [
        ClusterEffect(what=w.name, verb="rollout", details=[cut(line) for line in w.rollout.lines])
        for w in plan.workloads
        if w.rollout
    ]
    workloads += [
        ClusterEffect(what=w.name, verb="notice", details=[cut(notice_text(n))])
        for w in plan.workloads
        for n in w.notices
    ]
    workloads += [
        ClusterEffect(what=f"{one.workload} in {one.cluster}", verb="there already", details=[cut(one.text)])
        for one in plan.there
    ]
    workloads += [
        ClusterEffect(what=cluster, verb="not asked", details=[cut(f"whether it has the new copies already: {why}")])
        for cluster, why in sorted(plan.unasked.items())
    ]
    workloads += [
        ClusterEffect(what=w.name, verb="undecided", details=[cut(text)])
        for w in plan.workloads
        for text in (*map(str, w.undecided), *w.unplaced)
    ]
    own = [
        ClusterEffect(what=one.name, verb=one.verb, details=[cut(d) for d in one.details[:_SHOWN_CHANGES]])
        for one in plan.control_plane
    ]
    clusters = [ClusterEffect(what=c.name, verb=c.verb, details=[cut(d) for d in c.details]) for c in plan.clusters]
    return PlanAnswer(
        total=len(resources),
        next_cursor=part.next_cursor,
        digest=found.digest,
        summary=found.result.counts(),
        blast_radius=cut(plan.blast_radius.text),
        clusters=[effect for effect in clusters if effect.verb != "stays"][:50],
        workloads=[effect for effect in workloads if effect.verb != "stays"][:50],
        control_plane=[effect for effect in own if effect.verb != "stays"][:50],
        resources=resources[part.first : part.end],
        refused_by=[cut(text) for text in found.refusals],
        advice=[cut(text) for text in found.advice[:_SHOWN_CHANGES]],
        next_step=_next_step(found, enabled=enabled),
    )


def _next_step(found: Planned, *, enabled: bool) -> str:
    if not found.result.changes:
        return "nothing: there are no changes"
    if found.needs_a_person:
        confirming = f"`flotilla {found.verb} --plan DIGEST`"
        return f"ask a person: only guards refuse the plan, and {confirming} with its digest confirms it"
    if found.refusals:
        return "change the stack file so that no policy refuses it"
    if not enabled:
        return f"a person has to run `flotilla {found.verb}`: changing tools are off here"
    return "call the changing tool of the same kind (apply for the file as it is) with this digest"


def _resource(step: Step) -> ResourceChange:
    changes = [cut(change_text(change)) for change in step.changes[:_SHOWN_CHANGES]]
    return ResourceChange(operation=str(step.op), resource=step.name, type=step.type, changes=changes)
