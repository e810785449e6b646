"""What the resources that only do something when a workload ends have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider, UpdateResult

from .whole_numbers import whole_numbers


@whole_numbers
class EndProvider(ResourceProvider):
    """Keeps what a workload's end goes by; does nothing before."""

    serialize_as_secret_always = False
    counts: ClassVar[tuple[str, ...]] = ()
    """The properties whose change is one; another timeout, for one, changes nothing."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep which templates there are."""
        return CreateResult(id_=str(props["workload"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of what counts."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in self.counts))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep which templates there are now."""
        return UpdateResult(outs=news)
