"""The model of a rule, and the view of a plan that a rule gets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.karmada.scheduling import ClusterFacts, facts_of
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object
from flotilla.stack.policies import Environment, PolicySettings

WORKLOAD_TYPE = "flotilla:index:PropagatedWorkload"
GROUP_TYPE = "flotilla:index:ControlPlaneObjects"
MEMBER_TYPES = ("flotilla:index:PushMember", "flotilla:index:PullMember")
_KUBERNETES = "kubernetes:"


class Undecidable(Exception):
    """A rule needs a value that a preview doesn't know, so it neither passes nor is violated."""


class _Unknown:
    """The placeholder for a value that isn't known yet, or isn't shown. A rule that reads it can't decide."""

    def __repr__(self) -> str:
        return "unknown"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._open()

    def _open(self, *_key: Any) -> Any:
        raise Undecidable("a part of the plan")

    __iter__ = __getitem__ = __len__ = _open


UNKNOWN: Any = _Unknown()


def value_at(value: Any, *path: str, default: Any = None) -> Any:
    """Follow keys through nested mappings.

    Raises:
        Undecidable: the value, or a value on the way to it, isn't known yet.
    """
    for key in path:
        if value is UNKNOWN:
            raise Undecidable(".".join(path))
        value = value.get(key) if isinstance(value, dict) else None
    if value is UNKNOWN:
        raise Undecidable(".".join(path))
    return default if value is None else value


@dataclass(frozen=True)
class Resource:
    """One resource of a plan."""

    urn: str
    type: str
    name: str
    props: Object = field(default_factory=dict)
    protect: bool = False
    parent: str = ""
    """The URN of the parent."""
    cluster: str = ""
    """The cluster of a Kubernetes object: `karmada`, or the member's name."""

    @property
    def kind(self) -> str:
        """The Kubernetes kind; empty for other resources."""
        return self.type.rpartition(":")[2] if self.type.startswith(_KUBERNETES) else ""

    @property
    def parent_type(self) -> str:
        """The type of the parent."""
        return self.parent.split("::")[2].rpartition("$")[2] if self.parent else ""

    def at(self, *path: str, default: Any = None) -> Any:
        """Return a property; raise Undecidable where it isn't known."""
        return value_at(self.props, *path, default=default)


@dataclass(frozen=True)
class StackView:
    """A whole plan, in the form that rules get."""

    resources: tuple[Resource, ...]
    settings: PolicySettings = field(default_factory=PolicySettings)
    others: tuple[ClusterFacts, ...] = ()
    """The members of another stack in which this stack's workloads may be placed."""
    version: Version = SUPPORTED.newest
    """Karmada's version; the newest where the stack gives none."""
    encrypted: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of the Secrets whose values are encrypted in every file."""

    @property
    def production(self) -> bool:
        """Whether the stack's environment is production."""
        return self.settings.environment is Environment.PRODUCTION

    def objects(self, *kinds: str, api_version: str = "") -> Iterator[Resource]:
        """Yield the Kubernetes objects of some kinds."""
        for resource in self.resources:
            if resource.kind in kinds and (not api_version or resource.at("apiVersion") == api_version):
                yield resource

    def templates(self) -> Iterator[Resource]:
        """Yield the objects that workloads send to members."""
        for resource in self.resources:
            if resource.kind and resource.parent_type == WORKLOAD_TYPE and POLICY_API not in resource.type:
                yield resource

    def own_objects(self) -> Iterator[Resource]:
        """Yield the objects that the stack declares in the control plane itself (`flotilla:objects`)."""
        return (resource for resource in self.resources if resource.parent_type == GROUP_TYPE)

    def policies(self, *kinds: str) -> Iterator[Resource]:
        """Yield Karmada's policies of some kinds."""
        return self.objects(*kinds, api_version=POLICY_API)

    def clusters(self) -> list[ClusterFacts]:
        """Return the members with the facts that placements use; raise Undecidable where a fact isn't known."""
        found = list(self.others)
        for resource in self.objects("Cluster", api_version=CLUSTER_API):
            shown = {key: resource.at("spec", key) for key in ("provider", "region", "zones", "taints")}
            meta = {"name": resource.at("metadata", "name"), "labels": resource.at("metadata", "labels", default={})}
            found.append(facts_of({"metadata": meta, "spec": shown}))
        return found


Subjects = Callable[[StackView], Iterable[Resource]]
Judge = Callable[[Resource, StackView], Iterable[str]]


@dataclass(frozen=True)
class Principle:
    """The description that all policies have in common."""

    name: str
    reason: str
    """What goes wrong without the policy."""
    remedy: str
    """How to fix a violation."""


@dataclass(frozen=True)
class Guard(Principle):
    """A limit on what one plan may do (flotilla.policy.guards): a person may confirm the plan by its digest."""


@dataclass(frozen=True)
class Rule(Principle):
    """A policy on the declaration."""

    subjects: Subjects
    """The resources to which the rule applies; if there are none, the rule doesn't apply."""
    judge: Judge
    """Returns the violations of one resource, a sentence each."""
    always: bool = False
    """Mandatory in every environment, unless the stack sets another level."""
    production_only: bool = False
