"""Where a cluster's share of a template's replicas goes, and its share of a Job's completions."""

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
"""With the value "true" in a Deployment, members keep the replicas that they have."""


def revises(*, divided: bool, version: Version) -> bool:
    """Return whether Karmada writes the schedule's replicas into copies; otherwise they keep the template's."""
    return divided or version >= _DUPLICATES_REVISED_SINCE


def revised(template: Object, replicas: int | None, version: Version = SUPPORTED.newest) -> Object:
    """Return a template with a cluster's share of the replicas; as it is for kinds that have none.

    Raises:
        ValueError: its spec is no map.
    """
    result = copied(template)
    field = replicas_field(result, version)
    if field and replicas is not None:
        spec = {} if result.get("spec") is None else result["spec"]
        if not isinstance(spec, dict):
            raise ValueError(f"{template['kind']} {template['metadata']['name']}: spec is no map")
        result["spec"] = {**spec, field: replicas}
    return result


def owns_replicas(template: Object) -> bool:
    """Return whether members keep their own number of replicas: an autoscaler there changes it, and Karmada lets it.

    The label counts in what Karmada sends, and for Deployments alone (default/native/retain.go).
    """
    is_deployment = (template.get("apiVersion"), template.get("kind")) == ("apps/v1", "Deployment")
    return is_deployment and ((template.get("metadata") or {}).get("labels") or {}).get(RETAIN_LABEL) == "true"


def completions_of(template: Object) -> int | None:
    """Return the completions of a Job; None for other kinds, and for a Job that works a queue off.

    A Job with neither completions nor parallelism gets one of each from the API server.
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
    """Return how a divided Job's completions are divided: by each cluster's parallelism, Webster's method from 1.16.

    Before 1.18 Karmada gives the parts out by their place in a list that is in another order than the clusters, so that
    one cluster may get another's (karmada-io/karmada, PR 7387).

    Args:
        template: the Job.
        targets: the binding's clusters in its order.
        uid: the template's UID in the control plane, which decides between clusters that tie; None where it is unknown.
        version: Karmada's version.

    Returns:
        Every division that may be made, by cluster; none where completions aren't divided.
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
    """Return a Job's completions by cluster as Karmada divides them; clusters that tie may change places."""
    found = divided_completions(template, list(shares.items()), version=version) if divided else []
    return found[0] if found else {}


def possible_completions(
    template: Object, targets: Targets, *, uid: str | None = None, version: Version | None = None
) -> dict[str, list[int]]:
    """Return the completions that each cluster may get from a Karmada.

    Where its version isn't known, from any supported one, those of the newest first.
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
