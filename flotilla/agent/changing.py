"""Tools that change the fleet. Each needs the digest of a previewed plan, and applies exactly that plan or nothing."""

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
    """The plan to apply."""

    digest: str = _DIGEST


class MoveWorkload(MoveFields):
    """The workload to move, its new clusters, and the plan to apply."""

    digest: str = _DIGEST


class ScaleWorkload(ScaleFields):
    """The workload to scale, its replicas, and the plan to apply."""

    digest: str = _DIGEST


class Rollback(BackFields):
    """The update to go back to, and the plan to apply."""

    digest: str = _DIGEST


class Done(Answer):
    """What a changing tool has done."""

    complete: bool = Field(description="The whole plan is applied. If not, make a new preview and call apply again.")
    as_previewed: bool = Field(description="The same operations were done as in the preview.")
    summary: dict[str, int] = Field(description="The number of resources by operation.")
    failures: list[str]
    stack_file: str = Field(description="The stack file if it was changed: commit it. Otherwise empty.")


class Changing:
    """The changing tools of a workplace."""

    def __init__(self, workplace: Workplace) -> None:
        """Work on the stack of a workplace."""
        self._workplace = workplace

    def tools(self) -> list[Tool]:
        """Return the tools; none if changes are not allowed."""
        if not self._workplace.allow_changes:
            return []
        needs = (
            "Call preview_change first and give its digest: the tool changes nothing without the digest, or if "
            "anything has changed since the preview."
        )
        return [
            Tool(
                "apply",
                "Apply the stack file",
                f"Apply the stack file to the fleet. {needs}",
                Apply,
                Done,
                lambda asked: self._carry_out(None, asked.digest),
                changes=True,
            ),
            Tool(
                "move_workload",
                "Move a workload",
                f"Run a workload on other clusters: changes the stack file and applies it. {needs} In the preview give "
                "the same workload and clusters, with kind move.",
                MoveWorkload,
                Done,
                lambda asked: self._carry_out(Move(workload=asked.workload, clusters=asked.clusters), asked.digest),
                changes=True,
            ),
            Tool(
                "scale_workload",
                "Scale a workload",
                f"Change a workload's replicas: changes the stack file and applies it. {needs} In the preview give the "
                "same workload and replicas, with kind scale.",
                ScaleWorkload,
                Done,
                lambda asked: self._carry_out(Scale(workload=asked.workload, replicas=asked.replicas), asked.digest),
                changes=True,
            ),
            Tool(
                "rollback",
                "Go back to an earlier update",
                "Apply what an earlier update declared, after a bad update. The stack file is not changed: it still "
                "declares the bad update, and the next apply would apply that again; inform a person about this. "
                f"{needs} In the preview give the same number, with kind rollback.",
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
                hint="call preview_change with this change, read its plan, and give its digest",
            )
        with self._workplace.taking_turn():
            found = planned(self._workplace, edit, applying=True)
            if not hmac.compare_digest(found.digest, digest):
                raise Refused(
                    f"digest {digest[:40]!r} is not the digest of this plan: the stack file, the fleet's state or the "
                    "change differs from the preview, so nothing was changed",
                    hint="call preview_change again and read the new plan",
                )
            if found.refusals:
                raise Refused(
                    f"this plan is refused, so nothing was changed: {'; '.join(found.refusals)}",
                    hint=f"a person can confirm it with `flotilla {found.verb} --plan DIGEST`"
                    if found.needs_a_person
                    else "",
                )
            return self._do(found, edit)

    def _do(self, found: Planned, edit: Move | Scale | Back | None) -> Done:
        """Write the stack file, then apply the plan.

        The file is written first, so that after a failure the next `up` completes the change. The run refuses steps
        that the plan does not have, even if a file is edited in the meantime.
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
