"""The command's exit codes, documented in docs/reference/exit-codes.md."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a run of the command came to."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """Wrong arguments, or a stack file that isn't valid."""
    DRIFT = 3
    REFUSED = 4
    """Refused by policy."""
