"""Tools that change the fleet. Each needs the digest of a plan that was shown, and does that plan or nothing."""

from __future__ import annotations

import hmac

from pydantic import Field

from flotilla.agent.edits import Back, BackFields, Move, MoveFields, Scale, ScaleFields
from flotilla.agent.planning import Planned, meaning, planned, proposed, shown_stack
from flotilla.agent.tool import Answer, Arguments, Refused, Tool
from flotilla.agent.workplace import Workplace
from flotilla.files import write_whole

_DIGEST = Field(default="", description="The digest of preview_change for exactly this change.")


class Apply(Arguments):
    """Which plan."""

    digest: str = _DIGEST


class MoveWorkload(MoveFields):
    """Which workload, where to, and which plan."""

    digest: str = _DIGEST


class ScaleWorkload(ScaleFields):
    """Which workload, how many replicas, and which plan."""

    digest: str = _DIGEST


class Rollback(BackFields):
    """Which update, and which plan."""

    digest: str = _DIGEST


class Done(Answer):
    """What was done."""

    complete: bool = Field(description="Everything of the plan is done. If not, call apply again after a new preview.")
    as_previewed: bool = Field(description="What was done is what the preview showed, resource by resource.")
    summary: dict[str, int] = Field(description="How many resources by operation.")
    failures: list[str]
    stack_file: str = Field(description="The stack file if it was changed: commit it. Else empty.")


class Changing:
    """The tools' work."""

    def __init__(self, workplace: Workplace) -> None:
        """Change a workplace's stack."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tools; none where changes are off."""
        if not self._workplace.allow_changes:
            return []
        needs = "Call preview_change first and give its digest; without it, or when anything has changed since, nothing"
        return [
            Tool(
                "apply",
                "Apply the stack file",
                f"Make the fleet what the stack file says. {needs} is done.",
                Apply,
                Done,
                lambda asked: self._carry_out(None, asked.digest),
                changes=True,
            ),
            Tool(
                "move_workload",
                "Move a workload",
                f"Run a workload on other clusters: changes the stack file and applies it. {needs} is done. In the "
                "preview give the same workload and clusters, with kind move.",
                MoveWorkload,
                Done,
                lambda asked: self._carry_out(Move(workload=asked.workload, clusters=asked.clusters), asked.digest),
                changes=True,
            ),
            Tool(
                "scale_workload",
                "Scale a workload",
                f"Change a workload's replicas: changes the stack file and applies it. {needs} is done. In the "
                "preview give the same workload and replicas, with kind scale.",
                ScaleWorkload,
                Done,
                lambda asked: self._carry_out(Scale(workload=asked.workload, replicas=asked.replicas), asked.digest),
                changes=True,
            ),
            Tool(
                "rollback",
                "Go back to an earlier update",
                "Make the fleet what an earlier update declared, after a bad one. The stack file is not changed: it "
                "still declares what was gone back from, and the next apply goes forward again; say so to a person. "
                f"{needs} is done. In the preview give the same number, with kind rollback.",
                Rollback,
                Done,
                lambda asked: self._carry_out(Back(to=asked.to), asked.digest),
                changes=True,
            ),
        ]

    def _carry_out(self, edit: Move | Scale | Back | None, digest: str) -> Done:
        if not digest:
            raise Refused(
                "no digest was given, so nothing was changed",
                hint="call preview_change with this change, look at its plan, and give its digest",
            )
        with self._workplace.taking_turn():
            found = planned(self._workplace, edit, applying=True)
            if not hmac.compare_digest(found.digest, digest):
                raise Refused(
                    f"digest {digest[:40]!r} is not of this plan: the stack file, the fleet's state or the change "
                    "differs from what was previewed, so nothing was changed",
                    hint="call preview_change again and look at the new plan",
                )
            if found.refusals:
                raise Refused(
                    f"this plan is refused, so nothing was changed: {'; '.join(found.refusals)}",
                    hint=f"a person confirms it with `flotilla {found.verb} --plan DIGEST`"
                    if found.needs_a_person
                    else "",
                )
            return self._do(found, edit)

    def _do(self, found: Planned, edit: Move | Scale | Back | None) -> Done:
        """Write the file first: whatever happens then, it says what the next `up` has to complete.

        What runs is bound to the plan: a step that it does not have is refused, whoever edits a file meanwhile.
        """
        file = self._workplace.setting().stack_file
        text = proposed(self._workplace, edit)
        if meaning(text) != meaning(found.text):
            raise Refused("the stack file was changed just now, so nothing was done", hint="call preview_change again")
        changed = text != file.read_text()
        if changed:
            write_whole(file, text, mode=file.stat().st_mode)
        with shown_stack(self._workplace, text, edit) as shown:
            result = self._workplace.open(shown).up(plan=found.result)
        return Done(
            complete=not result.failures,
            as_previewed=result.operations == found.result.operations,
            summary=result.counts(),
            failures=result.failures,
            stack_file=str(file.relative_to(self._workplace.project.resolve())) if changed else "",
        )
