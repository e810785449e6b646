"""Where dependencies go: into the clusters of every template that uses them, and by which policy's orders.

Karmada keeps a dependency's clusters in its ResourceBinding as `spec.requiredBy`: beside `spec.clusters`, which its own
policy chooses where it has one. The binding has Works in all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flotilla.karmada.dependencies.references import Reference
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef

ABORT, OVERWRITE = "Abort", "Overwrite"
"""Karmada's ConflictResolution."""
_OF_THE_USER = Version(1, 12)
"""Since then dependencies go by the policy of a template that uses them; before, every one of them by the default."""
_OF_ALL_USERS = Version(1, 16)
"""Since then by those of all such templates together; between, by the one that Karmada has looked at last."""


@dataclass(frozen=True)
class Sender:
    """A template whose policy has propagateDeps."""

    template: ObjectRef
    references: tuple[Reference, ...]
    clusters: frozenset[str]
    """Where it is for certain."""
    possible: frozenset[str] = frozenset()
    """Where it may be beside."""
    conflict_resolution: str = ABORT
    preserves: bool = False
    """Its copies stay in members once they are not sent any more."""

    @classmethod
    def of(
        cls,
        template: ObjectRef,
        references: tuple[Reference, ...],
        clusters: Iterable[str],
        possible: Iterable[str],
        spec: Object,
    ) -> Sender:
        """Return a template as its policy's spec sends it."""
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
    """A dependency: where it goes because templates use it."""

    reference: Reference
    clusters: Mapping[str, tuple[ObjectRef, ...]] = field(default_factory=dict)
    """The templates that it follows, by cluster."""
    possible: Mapping[str, tuple[ObjectRef, ...]] = field(default_factory=dict)
    """The same where only Karmada knows whether they go there; clusters that it follows another one to are not here."""
    conflict_resolution: str = ABORT
    """Of a dependency that no policy selects; empty where it hangs on which template Karmada has looked at last."""
    preserves: bool | None = False
    """Whether its copies stay once nothing needs them; None where that hangs on the same."""


def following(senders: Iterable[Sender], version: Version = SUPPORTED.newest) -> list[Following]:
    """Return the dependencies of templates, in order; not whether they are there: one that isn't goes nowhere.

    Args:
        senders: every template whose policy has propagateDeps.
        version: Karmada's.
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
    if version < _OF_THE_USER:
        return Following(reference, clusters, maybe)
    resolutions = {user.conflict_resolution for user in users}
    kept = {user.preserves for user in users}
    if version < _OF_ALL_USERS:
        resolution = resolutions.pop() if len(resolutions) == 1 else ""
        return Following(reference, clusters, maybe, resolution, kept.pop() if len(kept) == 1 else None)
    return Following(reference, clusters, maybe, OVERWRITE if OVERWRITE in resolutions else ABORT, any(kept))
