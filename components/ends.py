"""What the resources that only do something when a workload ends have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi.dynamic import DiffResult, UpdateResult

from .kept_inputs import KeptInputsProvider
from .whole_numbers import whole_numbers


@whole_numbers
class EndProvider(KeptInputsProvider):
    """Keeps what a workload's end goes by; does nothing before."""

    counts: ClassVar[tuple[str, ...]] = ()
    """The properties whose change is one; another timeout, for one, changes nothing."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of what counts."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in self.counts))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep which templates there are now."""
        return UpdateResult(outs=news)
