"""The base of resources that only act when a workload ends."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi.dynamic import DiffResult, UpdateResult

from .kept_inputs import KeptInputsProvider
from .whole_numbers import whole_numbers


@whole_numbers
class EndProvider(KeptInputsProvider):
    """Stores what is needed when a workload ends; does nothing before."""

    counts: ClassVar[tuple[str, ...]] = ()
    """The properties whose change matters; another timeout, for example, changes nothing."""

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of the properties that matter."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in self.counts))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Store the new properties."""
        return UpdateResult(outs=news)
