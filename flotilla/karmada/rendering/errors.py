"""What Karmada's override manager fails on. It then writes no Work: the cluster keeps what it has, or gets nothing."""

from __future__ import annotations


class OverrideError(ValueError):
    """An override that can't be applied to a template. Its text names paths, never values: they may be secret."""

    def __init__(self, what: str, why: str) -> None:
        """Keep which step it is apart from the reason.

        Args:
            what: the step, such as `replace /spec/replicas`.
            why: the reason, such as `the object has no such field`.
        """
        super().__init__(f"the override fails: {what}: {why}; Karmada sends nothing then")
        self.what = what
        self.why = why
