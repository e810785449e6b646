"""Replicas that a plan moves from clusters to others, template by template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.counts import counted
from flotilla.karmada.scheduling import replicas_of
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.copies import Undecided

Copies = Mapping[str, list[Object]]
"""What each cluster holds."""


@dataclass(frozen=True)
class Shift:
    """What becomes of a template's replicas, cluster by cluster."""

    template: str
    gone: Mapping[str, int] = field(default_factory=dict)
    """How many replicas each cluster runs less."""
    come: Mapping[str, int] = field(default_factory=dict)
    """How many more."""
    open: str = ""
    """What decides where they come, where only Karmada knows."""

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "template": self.template,
            "gone": dict(self.gone),
            "come": dict(self.come),
            **({"open": self.open} if self.open else {}),
        }

    def text_from(self, cluster: str) -> str:
        """Say where the replicas of one cluster go: `2 replicas move from member2 to member1`."""
        count = self.gone.get(cluster, 0)
        verb = "moves" if count == 1 else "move"
        if self.open:
            return f"up to {counted(count, 'replica')} {verb} from {cluster} to where Karmada chooses, by {self.open}"
        if not self.come:
            return (
                f"{counted(count, 'replica')} {'goes' if count == 1 else 'go'} from {cluster}, and none comes elsewhere"
            )
        if len(self.come) == 1 and len(self.gone) == 1:
            (target, more) = next(iter(self.come.items()))
            short = "" if more == count else f" ({more} more there)"
            return f"{counted(count, 'replica')} {verb} from {cluster} to {target}{short}"
        targets = ", ".join(f"{more} more on {target}" for target, more in sorted(self.come.items()))
        return f"{counted(count, 'replica')} {verb} from {cluster}: {targets}"

    def text_to(self, cluster: str) -> str:
        """Say from where one cluster's new replicas come: `2 replicas come to member2 from member1`."""
        count = self.come.get(cluster, 0)
        verb = "comes" if count == 1 else "come"
        sources = ", ".join(sorted(self.gone))
        return f"{counted(count, 'replica')} {verb} to {cluster}{' from ' if sources else ''}{sources}"


def shifts(old: Copies, new: Copies, undecided: Iterable[Undecided]) -> tuple[Shift, ...]:
    """Return how the replicas of a workload's templates shift, of those of which any do.

    Args:
        old: what clusters hold of the workload.
        new: what they will hold.
        undecided: the templates of which only Karmada knows how many replicas clusters get.
    """
    before, after = _replicas(old.items()), _replicas(new.items())
    open_ = {one.template: one for one in undecided}
    found = []
    for template in sorted(before):
        was, will = before[template], after.get(template, {})
        if template in open_:
            bounds = open_[template].candidates
            least = {name: bounds[name][0] if name in bounds else 0 for name in was}
            gone = {name: count - least[name] for name, count in sorted(was.items()) if count > least[name]}
            found += [Shift(template, gone, {}, open_[template].why)] if gone else []
            continue
        change = {name: will.get(name, 0) - was.get(name, 0) for name in {*was, *will}}
        gone = {name: -count for name, count in sorted(change.items()) if count < 0}
        come = {name: count for name, count in sorted(change.items()) if count > 0}
        if gone or come:
            found.append(Shift(template, gone, come))
    return tuple(found)


def _replicas(copies: Iterable[tuple[str, list[Object]]]) -> dict[str, dict[str, int]]:
    """Return replicas by cluster, by template; kinds without replicas are left out."""
    found: dict[str, dict[str, int]] = {}
    for cluster, items in copies:
        for item in items:
            count = _count(item)
            if count is not None:
                found.setdefault(str(ref_of(item)), {})[cluster] = count
    return found


def _count(item: Object) -> int | None:
    try:
        return replicas_of(item)
    except ValueError:
        return None
