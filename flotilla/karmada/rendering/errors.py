"""The error for overrides on which Karmada fails: it writes no Work then, so a cluster keeps what it has."""

from __future__ import annotations


class OverrideError(ValueError):
    """An override that can't be applied to a template. The message names paths, never values: they may be secret."""

    def __init__(self, what: str, why: str) -> None:
        """Store the step and the reason separately.

        Args:
            what: the step, such as `replace /spec/replicas`.
            why: the reason, such as `the object has no such field`.
        """
        super().__init__(f"the override fails: {what}: {why}; Karmada sends nothing then")
        self.what = what
        self.why = why
