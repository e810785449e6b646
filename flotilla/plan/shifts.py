"""Replicas that a plan moves between clusters, by template."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.counts import counted
from flotilla.karmada.scheduling import replicas_of
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.copies import Undecided

Copies = Mapping[str, list[Object]]
"""The objects of each cluster."""


@dataclass(frozen=True)
class Shift:
    """The change of a template's replicas, by cluster."""

    template: str
    gone: Mapping[str, int] = field(default_factory=dict)
    """The number of replicas that each cluster loses."""
    come: Mapping[str, int] = field(default_factory=dict)
    """The number of replicas that each cluster gets in addition."""
    open: str = ""
    """What decides where replicas go, where only Karmada knows it."""

    def to_json(self) -> dict[str, Any]:
        """Return the shift in its JSON form."""
        return {
            "template": self.template,
            "gone": dict(self.gone),
            "come": dict(self.come),
            **({"open": self.open} if self.open else {}),
        }

    def text_from(self, cluster: str) -> str:
        """Describe where the replicas of one cluster go: `2 replicas move from member2 to member1`."""
        count = self.gone.get(cluster, 0)
        verb = "moves" if count == 1 else "move"
        if self.open:
            return f"up to {counted(count, 'replica')} {verb} from {cluster} to where Karmada chooses, by {self.open}"
        if not self.come:
            leaves = "leaves" if count == 1 else "leave"
            return f"{counted(count, 'replica')} {leaves} {cluster}, and none starts elsewhere"
        if len(self.come) == 1 and len(self.gone) == 1:
            (target, more) = next(iter(self.come.items()))
            short = "" if more == count else f" ({more} more there)"
            return f"{counted(count, 'replica')} {verb} from {cluster} to {target}{short}"
        targets = ", ".join(f"{more} more on {target}" for target, more in sorted(self.come.items()))
        return f"{counted(count, 'replica')} {verb} from {cluster}: {targets}"

    def text_to(self, cluster: str) -> str:
        """Describe from where one cluster's new replicas come: `2 replicas come to member2 from member1`."""
        count = self.come.get(cluster, 0)
        verb = "comes" if count == 1 else "come"
        sources = ", ".join(sorted(self.gone))
        return f"{counted(count, 'replica')} {verb} to {cluster}{' from ' if sources else ''}{sources}"


def shifts(old: Copies, new: Copies, undecided: Iterable[Undecided]) -> tuple[Shift, ...]:
    """Return the shifts of a workload's templates; templates without a change of replicas are left out.

    Args:
        old: the workload's objects in clusters before.
        new: the workload's objects in clusters after.
        undecided: the templates for which only Karmada knows how many replicas clusters get.
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
    """Return the replicas by cluster, by template; kinds without replicas are left out."""
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
