"""Which clusters get a dependency: those of every template that uses it, and by which policy's settings.

Karmada stores these clusters in the dependency's ResourceBinding as `spec.requiredBy`, next to `spec.clusters`: the
clusters that the dependency's own policy chooses, where it has one. The binding has Works for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla.karmada.dependencies.references import Reference
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef

ABORT, OVERWRITE = "Abort", "Overwrite"
"""Karmada's ConflictResolution."""
_BY_USER_SINCE = Version(1, 12)
"""Since then dependencies get the settings of a template that uses them; before, all of them get the defaults."""
_BY_ALL_USERS_SINCE = Version(1, 16)
"""Since then these settings combine those of all such templates; in between, the template processed last decides."""


@dataclass(frozen=True)
class Sender:
    """A template whose policy sets propagateDeps."""

    template: ObjectRef
    references: tuple[Reference, ...]
    clusters: frozenset[str]
    """The clusters that certainly have it."""
    possible: frozenset[str] = frozenset()
    """Further clusters that may have it."""
    conflict_resolution: str = ABORT
    preserves: bool = False
    """Whether its copies stay in members once Karmada no longer sends them."""

    @classmethod
    def of(
        cls,
        template: ObjectRef,
        references: tuple[Reference, ...],
        clusters: Iterable[str],
        possible: Iterable[str],
        spec: Object,
    ) -> Sender:
        """Return the sender for a template, according to its policy's spec."""
        certain = frozenset(clusters)
        return cls(
            template,
            references,
            certain,
            frozenset(possible) - certain,
            str(spec.get("conflictResolution") or ABORT),
            bool(spec.get("preserveResourcesOnDeletion")),
        )


@dataclass(frozen=True)
class Following:
    """A dependency, and the clusters that get it because templates use it."""

    reference: Reference
    clusters: Mapping[str, tuple[ObjectRef, ...]] = field(default_factory=dict)
    """The templates that it follows, by cluster."""
    possible: Mapping[str, tuple[ObjectRef, ...]] = field(default_factory=dict)
    """The same for clusters where only Karmada knows whether they get it; the keys of `clusters` are left out."""
    conflict_resolution: str = ABORT
    """Of a dependency that no policy selects; empty where it depends on which template Karmada processed last."""
    preserves: bool | None = False
    """Whether its copies stay once no template needs them; None where that depends on the order of processing, too."""


def following(senders: Iterable[Sender], version: Version = SUPPORTED.newest) -> list[Following]:
    """Return the dependencies of templates, sorted; whether they exist isn't checked: Karmada sends those that do.

    Args:
        senders: every template whose policy sets propagateDeps.
        version: Karmada's version.
    """
    users: dict[Reference, list[Sender]] = {}
    for sender in senders:
        for reference in sender.references:
            if reference.name or reference.labels:  # Karmada fails on one without either
                users.setdefault(reference, []).append(sender)
    return [_following(reference, users[reference], version) for reference in sorted(users)]


def _following(reference: Reference, users: list[Sender], version: Version) -> Following:
    clusters: dict[str, tuple[ObjectRef, ...]] = {}
    possible: dict[str, tuple[ObjectRef, ...]] = {}
    for user in users:
        for name in sorted(user.clusters):
            clusters[name] = (*clusters.get(name, ()), user.template)
        for name in sorted(user.possible):
            possible[name] = (*possible.get(name, ()), user.template)
    maybe = {name: templates for name, templates in possible.items() if name not in clusters}
    if version < _BY_USER_SINCE:
        return Following(reference, clusters, maybe)
    resolutions = {user.conflict_resolution for user in users}
    kept = {user.preserves for user in users}
    if version < _BY_ALL_USERS_SINCE:
        resolution = resolutions.pop() if len(resolutions) == 1 else ""
        return Following(reference, clusters, maybe, resolution, kept.pop() if len(kept) == 1 else None)
    return Following(reference, clusters, maybe, OVERWRITE if OVERWRITE in resolutions else ABORT, any(kept))
