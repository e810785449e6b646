"""The command's exit codes. `make reference` writes docs/reference/exit-codes.md from them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a run of the command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    DRIFT = 3
    REFUSED = 4

    @property
    def meaning(self) -> str:
        """When a run ends with it."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "The run did what was asked.",
    ExitCode.FAILED: "A cluster, Karmada, the state or a program failed or did not answer, the stack does not exist, "
    "the run was interrupted, or the plan is not the one of `--plan`. The state has every step that was done, and the "
    "next run continues from there.",
    ExitCode.USAGE: "Arguments, variables (`FLOTILLA_ENGINE`, `FLOTILLA_STACK`) or the stack file are not valid, a "
    "question was answered with no, or nobody could answer it: there is no terminal and no `--yes`. Nothing was "
    "changed.",
    ExitCode.DRIFT: "`drift` found some, or there are changes where `--expect-no-changes` was given.",
    ExitCode.REFUSED: "A policy refuses the plan, or a [guard](policies.md#guards) whose plan was not confirmed by its "
    "digest, or the plan can't be carried out as it is. Nothing was changed.",
}
