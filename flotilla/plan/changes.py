"""What happens to a copy of a workload's objects in one cluster, described with the objects' own fields."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flotilla.counts import counted, range_text
from flotilla.karmada.kinds import goes_by_itself, identity
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.scheduling import UNBOUNDED, replicas_field, replicas_of
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.change_texts import ChangeText, safe
from flotilla.plan.copies import Undecided
from flotilla.plan.effects import Effect, effect_on
from flotilla.plan.moves import in_one_version
from flotilla.state.diff import Change, compare
from flotilla.state.values import mask

_SHOWN = 60
_KEPT = "stays there, without Karmada's marks (onRemoval: keep)"
_KEPT_UNSENT = (
    "is suspended there: if it was never sent, Karmada doesn't finish the removal (onRemoval: keep); `up` does when it "
    "removes the whole workload, otherwise the member can't leave"
)
_UNSENT = "suspended: Karmada sends nothing there"


@dataclass(frozen=True)
class CopyPlan:
    """What happens to a workload's objects in one cluster."""

    cluster: str
    verb: str
    """new, gone, changes or stays."""
    details: tuple[str, ...] = ()
    kept: bool = False
    """The workload no longer has the copy, which stays in the cluster (`onRemoval: keep`)."""
    effect: Effect = field(default_factory=Effect)
    """The effect on the copy, as data."""


def copy_plan(
    cluster: str,
    old: list[Object] | None,
    new: list[Object] | None,
    undecided: Iterable[Undecided] = (),
    replaced: Collection[str] = (),
    standing: Mapping[str, Mapping[str, int]] = MappingProxyType({}),
    *,
    keeps: bool = False,
    suspended: bool = False,
    was_suspended: bool = False,
) -> CopyPlan:
    """Return what happens to a workload's objects in a cluster.

    Args:
        cluster: the name of the cluster.
        old: the objects before; None where there are none.
        new: the objects after; None where there are none.
        undecided: the templates for which only Karmada knows how many replicas this cluster gets.
        replaced: the templates that are deleted and created again.
        standing: by template, the replicas by cluster that stay, where the objects don't contain them.
        keeps: objects that Karmada no longer sends stay in the cluster (preserveResourcesOnDeletion).
        suspended: Karmada sends nothing there after the plan.
        was_suspended: Karmada sent nothing there before the plan.
    """
    kept = f" {_KEPT_UNSENT if was_suspended else _KEPT}" if keeps else ""
    unsent = (_UNSENT,) if suspended else ()
    bounds = {one.template: one.candidates[cluster] for one in undecided if cluster in one.candidates}
    open_ = {template: given for template, given in bounds.items() if given[0] != given[1]}
    if old is None:
        come = (_summary(item, open_.get(str(ref_of(item)))) for item in new or [])
        return CopyPlan(cluster, "new", (*come, *unsent))
    if new is None:
        return CopyPlan(cluster, "gone", tuple(f"{ref_of(item)}{kept}" for item in old), keeps and not was_suspended)
    versions = {identity(item): item["apiVersion"] for item in old}
    olds = {ref_of(item): item for item in in_one_version(old, new)}
    news = {ref_of(item): item for item in new}
    details: list[str] = []
    for ref in sorted({*olds, *news}):
        if ref not in olds:
            details.append(f"{ref} is added")
        elif ref not in news:
            # A Namespace that is removed alone deletes its copies too: it has no policy that keeps them.
            stays = keeps and not goes_by_itself(olds[ref])
            details.append(f"{ref}{kept}" if stays else f"{ref} is removed")
        else:
            several = f"{ref}: " if len(news) > 1 else ""
            if str(ref) in replaced:
                details.append(f"{ref} is replaced: {'it runs again' if ref.kind == 'Job' else 'it is created again'}")
            was = versions[identity(news[ref])]
            if was != ref.api_version:
                details.append(f"{several}apiVersion {was} → {ref.api_version}")
            changes = compare(olds[ref], news[ref])
            if str(ref) in open_:
                changes = [change for change in changes if change.path != ("spec", replicas_field(news[ref]))]
                details.append(f"{several}{_range(open_[str(ref)])}, as Karmada chooses")
            details += [described(change, news[ref]).after(several) for change in changes]
    if details:
        effect = Effect() if suspended else effect_on(olds, news, open_, replaced, keeps=keeps)
        return CopyPlan(cluster, "changes", (*details, *unsent), effect=effect)
    counts = {str(ref): shares[cluster] for ref in news if cluster in (shares := standing.get(str(ref), {}))}
    return CopyPlan(cluster, "stays", tuple(_stays(ref, count, several=len(news) > 1) for ref, count in counts.items()))


def _stays(template: str, replicas: int, several: bool) -> str:
    text = f"{counted(replicas, 'replica')}, as scheduled now"
    return f"{template}: {text}" if several else text


def _range(bounds: tuple[int, int]) -> str:
    if bounds == (0, UNBOUNDED):
        return "any number of replicas"
    return range_text(*bounds, "replica")


def summary_of(item: Object) -> tuple[str, ...]:
    """Describe an object in a few words: its replicas and its images."""
    replicas = replicas_of(item)
    return (*([] if replicas is None else [counted(replicas, "replica")]), *_images(item))


def _images(item: Object) -> list[str]:
    return sorted({str(c.get("image")) for c in _containers(item)})


def _summary(item: Object, bounds: tuple[int, int] | None) -> str:
    replicas = replicas_of(item)
    images = _images(item)
    parts = [str(ref_of(item))]
    if bounds:
        parts.append(_range(bounds))
    elif replicas is not None:
        text = counted(replicas, "replica")
        parts.append(f"{text} at first, then the member's own" if owns_replicas(item) else text)
    completions = (item.get("spec") or {}).get("completions") if item["kind"] == "Job" else None
    if completions is not None:
        parts.append(counted(completions, "completion"))
    return ", ".join(parts + images)


def _containers(item: Object) -> list[Object]:
    spec = item.get("spec") or {}
    return (
        list(((spec.get("template") or {}).get("spec") or spec).get("containers") or [])
        if isinstance(spec, dict)
        else []
    )


def described(change: Change, of: Object) -> ChangeText:
    """Describe a change of an object in one line, which carries the change itself."""
    return ChangeText.of(change_text(change), (safe(change, of),))


def change_text(change: Change) -> str:
    """Describe a change in one line, with the object's own field: `replicas 2 → 4`, `image nginx:1.27 → nginx:1.28`."""
    name = short_path(change.text)
    if change.old is None:
        return f"{name} = {_value(change.new)}"
    if change.new is None:
        return f"{name} is removed (was {_value(change.old)})"
    return f"{name} {_value(change.old)} → {_value(change.new)}"


def short_path(path: str) -> str:
    """Shorten paths with a well-known beginning."""
    for long, short in (
        ("spec.template.spec.containers[0].", ""),
        ("spec.template.spec.", "pod "),
        ("metadata.", ""),
        ("spec.", ""),
    ):
        if path.startswith(long):
            return short + path.removeprefix(long)
    return path


def _value(value: Any) -> str:
    shown = mask(value)
    text = shown if isinstance(shown, str) else str(shown)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
