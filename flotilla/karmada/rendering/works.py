"""What all clusters of a binding get (pkg/controllers/binding, ensureWork)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.policies import Applied, apply_policies
from flotilla.karmada.rendering.replicas import Targets, divided_completions, revised, revises
from flotilla.karmada.rendering.traveling import traveling
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED, Version

Object = dict[str, Any]
_INDEPENDENT_SINCE = Version(1, 13)


@dataclass(frozen=True)
class Sent:
    """What a cluster gets."""

    manifest: Object
    """The manifest without the labels and annotations that Karmada adds (`marks.marked`)."""
    overridden: Object
    """The object before it was pruned."""
    applied: tuple[Applied, ...]


@dataclass(frozen=True)
class NotSent:
    """Karmada writes no Work: the cluster keeps what it has, or gets nothing."""

    reason: str


def works_of(
    template: Object,
    targets: Targets,
    clusters: Mapping[str, ClusterFacts],
    policies: list[Object],
    *,
    divided: bool,
    version: Version = SUPPORTED.newest,
) -> dict[str, Sent | NotSent]:
    """Return what each cluster of a binding gets.

    Before 1.13 Karmada stops at the first cluster whose override fails: the clusters after it get nothing either.

    Args:
        template: the template in the control plane, with the API server's defaults, its UID and its labels.
        targets: the binding's clusters in its order.
        clusters: the facts of the clusters, by name.
        policies: the override policies of the control plane, of both kinds.
        divided: whether the placement divides replicas.
        version: Karmada's version.
    """
    writes = revises(divided=divided, version=version)
    # Before 1.18 ensureWork checks the replicas in two places; without replicas nothing is divided.
    uid = str(template["metadata"].get("uid") or "")
    divisions = divided_completions(template, targets, uid=uid, version=version) if divided else []
    completions = divisions[0] if divisions else {}
    found: dict[str, Sent | NotSent] = {}
    stopped = ""
    for name, replicas in targets:
        if stopped:
            found[name] = NotSent(stopped)
            continue
        obj = revised(template, replicas if writes else None, version)
        if name in completions and (obj.get("spec") or {}).get("completions") is not None:
            obj["spec"]["completions"] = completions[name]
        try:
            overridden, applied = apply_policies(obj, clusters.get(name, ClusterFacts(name)), policies, version)
        except OverrideError as error:
            found[name] = NotSent(str(error))
            if version < _INDEPENDENT_SINCE:
                stopped = f"Karmada {version} stops at the first override that fails, and {name}'s does: {error}"
            continue
        found[name] = Sent(traveling(overridden, version), overridden, tuple(applied))
    return found
