"""What a template needs from scheduling: its replicas and each pod's resources, as Karmada's interpreters read them.

Upstream: pkg/resourceinterpreter/default (native and thirdparty), pkg/util/helper (GenerateReplicaRequirements) and
pkg/util/resource.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal

from flotilla.karmada.kinds import GroupKind, group_of
from flotilla.karmada.scheduling.facts import Object, Scheduler, ServedKind
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.quantities import parse_quantity

MILLI_CPU = "cpu"
"""Counted in thousandths; every other resource is counted in whole units."""
_SCALARS = ("hugepages-", "attachable-volumes-")
_POD: ServedKind = ("v1", "Pod")
# Kinds whose replicas Karmada's own interpreters read, the field of the spec that has them, and the first such version.
_WITH_REPLICAS: Mapping[ServedKind, tuple[str, Version]] = {
    ("apps/v1", "Deployment"): ("replicas", SUPPORTED.oldest),
    ("apps/v1", "StatefulSet"): ("replicas", SUPPORTED.oldest),
    ("apps/v1", "ReplicaSet"): ("replicas", Version(1, 16)),
    ("batch/v1", "Job"): ("parallelism", SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "CloneSet"): ("replicas", SUPPORTED.oldest),
    ("apps.kruise.io/v1beta1", "StatefulSet"): ("replicas", SUPPORTED.oldest),
    ("apps.kruise.io/v1alpha1", "UnitedDeployment"): ("replicas", Version(1, 15)),
    ("apps.kruise.io/v1alpha1", "BroadcastJob"): ("parallelism", SUPPORTED.oldest),
    ("argoproj.io/v1alpha1", "Workflow"): ("parallelism", SUPPORTED.oldest),
}
# Kinds for which Karmada's own interpreters compute the replicas in another way.
_COMPUTED: Mapping[ServedKind, Version] = {
    ("flink.apache.org/v1beta1", "FlinkDeployment"): Version(1, 11),
    ("kubeflow.org/v1", "Notebook"): Version(1, 16),
    ("ray.io/v1", "RayService"): Version(1, 17),
}


@dataclass(frozen=True)
class Demand:
    """What a template needs from scheduling."""

    api_version: str
    kind: str
    replicas: int | None = None
    """None for kinds without replicas."""
    requests: Mapping[str, int] | None = None
    """The resources of one pod: thousandths of CPUs, bytes, pieces.

    None where its pods request neither resources nor particular nodes."""
    uid: str = ""
    """The template's UID, which breaks ties since 1.16; empty where it isn't known."""
    interpreted: bool = False
    """An interpreter computes the replicas, so that only Karmada knows them."""

    @property
    def count(self) -> int:
        """The replicas; 0 for kinds without replicas."""
        return self.replicas or 0


def demand_of(template: Object, scheduler: Scheduler, *, interpreted: Iterable[GroupKind] = ()) -> Demand:
    """Return what a template needs from scheduling.

    Args:
        template: the declared template; with its UID where it is in the control plane already.
        scheduler: the control plane's scheduler.
        interpreted: the kinds for which the control plane has ResourceInterpreterCustomizations.

    Raises:
        ValueError: its replicas aren't a whole number, or a quantity is invalid.
    """
    kind = _kind(template)
    plain = Demand(*kind, uid=str(_map(template.get("metadata")).get("uid") or ""))
    computed = scheduler.version >= _COMPUTED[kind] if kind in _COMPUTED else False
    if computed or (group_of(kind[0]), kind[1]) in set(interpreted):
        return replace(plain, interpreted=True)
    spec = _map(template.get("spec"))
    if kind == _POD:
        return replace(plain, replicas=1, requests=_requests(template, spec))
    replicas = replicas_of(template, scheduler.version)
    if replicas is None:
        return plain
    # A Job runs no more pods at a time than it has completions.
    completions = spec.get("completions") if kind == ("batch/v1", "Job") else None
    count = min(replicas, completions) if isinstance(completions, int) else replicas
    # A Workflow has its rules for nodes in its own spec, not in a pod template.
    pod = spec if kind[1] == "Workflow" else _map(_map(spec.get("template")).get("spec"))
    return replace(plain, replicas=count, requests=_requests(template, pod))


def demand_of_binding(spec: Object) -> Demand:
    """Return a binding's demand according to its spec (work/v1alpha2, ResourceBindingSpec)."""
    resource, requirements = spec.get("resource") or {}, spec.get("replicaRequirements")
    requests = None if requirements is None else _amounts(requirements.get("resourceRequest") or {})
    return Demand(
        str(resource.get("apiVersion", "")),
        str(resource.get("kind", "")),
        spec.get("replicas") or (None if requests is None else 0),
        requests,
        str(resource.get("uid") or ""),
    )


def requirements_of(demand: Demand) -> Object | None:
    """Return the resources of a binding's replicaRequirements; None where its pods request nothing."""
    if demand.requests is None:
        return None
    quantities = {name: f"{count}m" if name == MILLI_CPU else str(count) for name, count in demand.requests.items()}
    return {"resourceRequest": quantities}


def replicas_field(template: Object, version: Version = SUPPORTED.newest) -> str | None:
    """Return the field of a template's spec that contains its replicas; None for kinds that Karmada doesn't divide."""
    field, since = _WITH_REPLICAS.get(_kind(template), (None, SUPPORTED.newest))
    return field if version >= since else None


def replicas_of(template: Object, version: Version = SUPPORTED.newest) -> int | None:
    """Return a template's declared replicas (1 where it sets none); None for kinds that Karmada doesn't divide.

    Raises:
        ValueError: they aren't a whole number.
    """
    field = replicas_field(template, version)
    if field is None:
        return None
    value = _map(template.get("spec")).get(field)
    if value is None:
        return 1
    if isinstance(value, bool) or not isinstance(value, int):
        name = template["metadata"]["name"]
        raise ValueError(f"{template['kind']} {name}: spec.{field} is not a whole number")  # noqa: TRY004 - bad input
    return value


def _kind(template: Object) -> ServedKind:
    return str(template.get("apiVersion") or ""), str(template["kind"])


def _requests(template: Object, pod: Object) -> Mapping[str, int] | None:
    """Return what a template's pods need; None where they need nothing.

    Raises:
        ValueError: a quantity is invalid; the message names the template.
    """
    try:
        return _needs(pod)
    except ValueError as error:
        raise ValueError(f"{template['kind']} {_map(template.get('metadata')).get('name')}: {error}") from None


def _needs(pod: Object) -> Mapping[str, int] | None:
    """Return what a pod needs: the sum of its containers, or the need of an init container where that is greater."""
    total: dict[str, int] = {}
    for container in _maps(pod.get("containers")):
        _add(total, _asked(container))
    for container in _maps(pod.get("initContainers")):
        for name, count in _asked(container).items():
            total[name] = max(total.get(name, 0), count)
    _add(total, _amounts(_map(pod.get("overhead"))))
    asked = {name: count for name, count in total.items() if count > 0}
    return asked if asked or _claims_nodes(pod) else None


def _claims_nodes(pod: Object) -> bool:
    affinity = _map(_map(pod.get("affinity")).get("nodeAffinity"))
    hard = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return bool(pod.get("nodeSelector") or hard or pod.get("tolerations"))


def _asked(container: Object) -> dict[str, int]:
    """Return a container's requests; for a resource with a limit and no request, the limit."""
    resources = _map(container.get("resources"))
    return _amounts({**_map(resources.get("limits")), **_map(resources.get("requests"))})


def _amounts(quantities: Mapping[str, object]) -> dict[str, int]:
    return {name: amount(name, value) for name, value in quantities.items() if _counts(name)}


def _counts(name: str) -> bool:
    """Return whether Karmada counts a resource: Kubernetes' own resources, and extended ones."""
    return name in ("cpu", "memory", "pods", "ephemeral-storage") or "/" in name or name.startswith(_SCALARS)


def amount(name: str, quantity: object, *less: object) -> int:
    """Return a quantity minus others as a whole number, rounded up: thousandths of CPUs, else whole units.

    Raises:
        ValueError: one of them isn't a quantity.
    """
    value = _decimal(name, quantity) - sum(_decimal(name, one) for one in less)
    return int((value * 1000 if name == MILLI_CPU else value).to_integral_value(ROUND_CEILING))


def _decimal(name: str, quantity: object) -> Decimal:
    try:
        return parse_quantity(str(quantity))
    except (ValueError, ArithmeticError):
        raise ValueError(f"{quantity!r} isn't a quantity of {name}: write a value such as 500m, 2 or 1Gi") from None


def _map(value: object) -> Object:
    """Return a mapping unchanged, and an empty one for anything else: the API server reports what is wrong with it."""
    return value if isinstance(value, dict) else {}


def _maps(value: object) -> list[Object]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, one in more.items():
        total[name] = total.get(name, 0) + one
