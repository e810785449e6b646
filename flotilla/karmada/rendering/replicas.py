"""A cluster's share of a template's replicas, and of a Job's completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flotilla.karmada.scheduling import divide, replicas_field, ties_descend
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import copied

Object = dict[str, Any]
Targets = Sequence[tuple[str, int | None]]
"""A binding's clusters in its order, with their replicas."""

_BY_NAME_SINCE = Version(1, 18)
_WEBSTER_SINCE = Version(1, 16)
_DUPLICATES_REVISED_SINCE = Version(1, 15)
RETAIN_LABEL = "resourcetemplate.karmada.io/retain-replicas"
"""A label of a Deployment: with the value "true", members keep their own number of replicas."""


def revises(*, divided: bool, version: Version) -> bool:
    """Return whether Karmada writes the scheduled replicas into copies; otherwise these keep the template's."""
    return divided or version >= _DUPLICATES_REVISED_SINCE


def revised(template: Object, replicas: int | None, version: Version = SUPPORTED.newest) -> Object:
    """Return a template with a cluster's share of the replicas; unchanged for kinds without replicas.

    Raises:
        ValueError: its spec isn't a map.
    """
    result = copied(template)
    field = replicas_field(result, version)
    if field and replicas is not None:
        spec = {} if result.get("spec") is None else result["spec"]
        if not isinstance(spec, dict):
            raise ValueError(f"{template['kind']} {template['metadata']['name']}: spec isn't a map")
        result["spec"] = {**spec, field: replicas}
    return result


def owns_replicas(template: Object) -> bool:
    """Return whether members keep their own number of replicas: Karmada doesn't reset what an autoscaler sets there.

    The label counts in the objects that Karmada sends, and only on Deployments (default/native/retain.go).
    """
    is_deployment = (template.get("apiVersion"), template.get("kind")) == ("apps/v1", "Deployment")
    return is_deployment and ((template.get("metadata") or {}).get("labels") or {}).get(RETAIN_LABEL) == "true"


def completions_of(template: Object) -> int | None:
    """Return the completions of a Job; None for other kinds, and for a Job that processes a work queue.

    The API server sets both completions and parallelism to one for a Job that has neither.
    """
    spec = template.get("spec")
    if template["kind"] != "Job" or not isinstance(spec, dict):
        return None
    native = template.get("apiVersion") == "batch/v1"
    if native and spec.get("completions") is None and spec.get("parallelism") is None:
        return 1
    value = spec.get("completions")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def divided_completions(
    template: Object, targets: Targets, *, uid: str | None = None, version: Version = SUPPORTED.newest
) -> list[dict[str, int]]:
    """Return how a Job's completions are divided: by each cluster's parallelism, with Webster's method since 1.16.

    Before 1.18 Karmada assigns the parts by their position in a list whose order differs from that of the clusters, so
    that a cluster may get the part of another one (karmada-io/karmada, PR 7387).

    Args:
        template: the Job.
        targets: the binding's clusters in its order.
        uid: the template's UID in the control plane, which breaks ties; None where it isn't known.
        version: Karmada's version.

    Returns:
        Every possible division, by cluster; an empty list where completions aren't divided.
    """
    total = completions_of(template)
    weights = {name: int(count or 0) for name, count in targets}
    if total is None or not any(weights.values()):
        return []
    names = [name for name, _ in targets]
    if version < _WEBSTER_SINCE:
        shares = _largest_first(total, sorted(weights.values(), reverse=True))
        return [dict(zip(names, shares, strict=True))]
    found = []
    for descending in (False, True) if uid is None else (ties_descend(uid),):
        by_name = dict.fromkeys(sorted(weights), 0) | divide(total, weights, descending=descending)
        if version < _BY_NAME_SINCE:
            by_name = dict(zip(names, by_name.values(), strict=True))
        found.append(by_name)
    return [one for place, one in enumerate(found) if one not in found[:place]]


def planned_completions(
    template: Object, shares: Mapping[str, int | None], *, divided: bool, version: Version = SUPPORTED.newest
) -> dict[str, int]:
    """Return a Job's completions by cluster as Karmada divides them; clusters that tie may be swapped."""
    found = divided_completions(template, list(shares.items()), version=version) if divided else []
    return found[0] if found else {}


def possible_completions(
    template: Object, targets: Targets, *, uid: str | None = None, version: Version | None = None
) -> dict[str, list[int]]:
    """Return the completions that each cluster may get.

    Without a version: from any supported one, those of the newest first.
    """
    found: dict[str, list[int]] = {}
    for one in [version] if version else [SUPPORTED.newest, _WEBSTER_SINCE, SUPPORTED.oldest]:
        for division in divided_completions(template, targets, uid=uid, version=one):
            for name, count in division.items():
                if count not in found.setdefault(name, []):
                    found[name].append(count)
    return found


def _largest_first(total: int, weights: list[int]) -> list[int]:
    shares = [weight * total // sum(weights) for weight in weights]
    for place in range(total - sum(shares)):
        shares[place] += 1
    return shares
