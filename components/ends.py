"""The base of resources that only act when a workload ends."""

from __future__ import annotations

from typing import Any, ClassVar

from pulumi.dynamic import CreateResult, DiffResult, ResourceProvider, UpdateResult

from .whole_numbers import whole_numbers


@whole_numbers
class EndProvider(ResourceProvider):
    """Stores what is needed when a workload ends; does nothing before."""

    serialize_as_secret_always = False
    counts: ClassVar[tuple[str, ...]] = ()
    """The properties whose change matters; another timeout, for example, changes nothing."""

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Store the properties."""
        return CreateResult(id_=str(props["workload"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of the properties that matter."""
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in self.counts))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Store the new properties."""
        return UpdateResult(outs=news)
