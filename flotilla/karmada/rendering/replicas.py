"""A template's replicas, and where a cluster's share of them goes (Karmada's built-in resource interpreters).

A kind is told by its apiVersion: OpenKruise's StatefulSet and Volcano's Job are other kinds than Kubernetes' own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from flotilla.karmada.scheduling.placement import divide
from flotilla.karmada.versions import SUPPORTED, Version

Object = dict[str, Any]
Targets = Sequence[tuple[str, int | None]]
"""A binding's clusters in its order, with their replicas."""

_NATIVE: Mapping[tuple[str, str], str] = {
    ("apps/v1", "Deployment"): "replicas",
    ("apps/v1", "StatefulSet"): "replicas",
    ("apps/v1", "ReplicaSet"): "replicas",
    ("batch/v1", "Job"): "parallelism",
}
_THIRD_PARTY: Mapping[tuple[str, str], str] = {
    ("apps.kruise.io/v1alpha1", "CloneSet"): "replicas",
    ("apps.kruise.io/v1beta1", "StatefulSet"): "replicas",
    ("apps.kruise.io/v1alpha1", "UnitedDeployment"): "replicas",
    ("apps.kruise.io/v1alpha1", "BroadcastJob"): "parallelism",
    ("argoproj.io/v1alpha1", "Workflow"): "parallelism",
}
_SINCE: Mapping[tuple[str, str], Version] = {
    ("apps/v1", "ReplicaSet"): Version(1, 16),
    ("apps.kruise.io/v1alpha1", "UnitedDeployment"): Version(1, 15),
}
_BY_NAME_SINCE = Version(1, 18)
_WEBSTER_SINCE = Version(1, 16)
RETAIN_LABEL = "resourcetemplate.karmada.io/retain-replicas"
"""With the value "true" in a Deployment, members keep the replicas that they have."""


def replicas_field(template: Object, version: Version = SUPPORTED.newest) -> str | None:
    """Return the field of a template's spec that holds its replicas; None for kinds that Karmada doesn't divide."""
    kind = (str(template.get("apiVersion") or ""), str(template["kind"]))
    if version < _SINCE.get(kind, SUPPORTED.oldest):
        return None
    return _NATIVE.get(kind) or _THIRD_PARTY.get(kind)


def replicas_of(template: Object, version: Version = SUPPORTED.newest) -> int | None:
    """Return a template's replicas (1 where it doesn't say); None for kinds without replicas.

    Those of a Job are its parallelism, or its completions where they are fewer.

    Raises:
        ValueError: they are no whole number.
    """
    field = replicas_field(template, version)
    if field is None:
        return None
    value = (template.get("spec") or {}).get(field, 1)
    if value is None:
        value = 1
    if isinstance(value, bool) or not isinstance(value, int):
        name = template["metadata"]["name"]
        raise ValueError(f"{template['kind']} {name}: spec.{field} is not a whole number")  # noqa: TRY004 - bad input
    completions = completions_of(template) if template["kind"] == "Job" else None
    return value if completions is None else min(value, completions)


def revised(template: Object, replicas: int | None, version: Version = SUPPORTED.newest) -> Object:
    """Return a template with a cluster's share of the replicas; as it is for kinds that have none."""
    result = deepcopy(template)
    field = replicas_field(result, version)
    if field and replicas is not None:
        result.setdefault("spec", {})[field] = replicas
    return result


def owns_replicas(template: Object) -> bool:
    """Tell whether members keep their own number of replicas: an autoscaler there changes it, and Karmada lets it.

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
    for descending in (False, True) if uid is None else (_ties_downwards(uid),):
        by_name = dict.fromkeys(sorted(weights), 0) | divide(total, weights, descending=descending)
        if version < _BY_NAME_SINCE:
            by_name = dict(zip(names, by_name.values(), strict=True))
        found.append(by_name)
    return [one for place, one in enumerate(found) if one not in found[:place]]


def planned_completions(template: Object, shares: Mapping[str, int | None], *, divided: bool) -> dict[str, int]:
    """Return a Job's completions by cluster as the newest Karmada divides them; clusters that tie may change places."""
    found = divided_completions(template, list(shares.items())) if divided else []
    return found[0] if found else {}


def possible_completions(template: Object, targets: Targets, *, uid: str | None = None) -> dict[str, list[int]]:
    """Return the completions that each cluster may get from any supported Karmada, those of the newest first."""
    found: dict[str, list[int]] = {}
    for version in (SUPPORTED.newest, _WEBSTER_SINCE, SUPPORTED.oldest):
        for division in divided_completions(template, targets, uid=uid, version=version):
            for name, count in division.items():
                if count not in found.setdefault(name, []):
                    found[name].append(count)
    return found


def _largest_first(total: int, weights: list[int]) -> list[int]:
    shares = [weight * total // sum(weights) for weight in weights]
    for place in range(total - sum(shares)):
        shares[place] += 1
    return shares


def _ties_downwards(uid: str) -> bool:
    """Tell whether a tie goes to the later name: Karmada takes the last bit of the UID's FNV-1a hash."""
    value = 2166136261
    for byte in uid.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return bool(value & 1)
