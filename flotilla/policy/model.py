"""What a rule sees, and what a rule is."""

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
    """A rule needs a value that a preview doesn't know: neither a violation nor a pass."""


class _Unknown:
    """Stands for a value that is not known yet, or not shown. A rule that looks into it can't decide."""

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
    """Follow keys through nested maps.

    Raises:
        Undecidable: something on the way, or the value itself, isn't known yet.
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
    """The parent's URN."""
    cluster: str = ""
    """The cluster that a Kubernetes object is for: `karmada`, or the member's name."""

    @property
    def kind(self) -> str:
        """The Kubernetes kind; empty for other resources."""
        return self.type.rpartition(":")[2] if self.type.startswith(_KUBERNETES) else ""

    @property
    def parent_type(self) -> str:
        """The type of the parent."""
        return self.parent.split("::")[2].rpartition("$")[2] if self.parent else ""

    def at(self, *path: str, default: Any = None) -> Any:
        """Return a property; raises Undecidable where it isn't known."""
        return value_at(self.props, *path, default=default)


@dataclass(frozen=True)
class StackView:
    """A whole plan, as rules see it."""

    resources: tuple[Resource, ...]
    settings: PolicySettings = field(default_factory=PolicySettings)
    others: tuple[ClusterFacts, ...] = ()
    """The members of another stack that this one's workloads may be placed on."""
    version: Version = SUPPORTED.newest
    """Karmada's; the newest where the stack names none."""
    encrypted: frozenset[tuple[str, str]] = frozenset()
    """Namespace and name of the Secrets whose values are encrypted wherever they are written."""

    @property
    def production(self) -> bool:
        """The stack is for production."""
        return self.settings.environment is Environment.PRODUCTION

    def objects(self, *kinds: str, api_version: str = "") -> Iterator[Resource]:
        """Yield Kubernetes objects of some kinds."""
        for resource in self.resources:
            if resource.kind in kinds and (not api_version or resource.at("apiVersion") == api_version):
                yield resource

    def templates(self) -> Iterator[Resource]:
        """Yield what workloads send to members."""
        for resource in self.resources:
            if resource.kind and resource.parent_type == WORKLOAD_TYPE and POLICY_API not in resource.type:
                yield resource

    def own_objects(self) -> Iterator[Resource]:
        """Yield what the stack declares in the control plane itself (`flotilla:objects`)."""
        return (resource for resource in self.resources if resource.parent_type == GROUP_TYPE)

    def policies(self, *kinds: str) -> Iterator[Resource]:
        """Yield Karmada's policies of some kinds."""
        return self.objects(*kinds, api_version=POLICY_API)

    def clusters(self) -> list[ClusterFacts]:
        """Return the members, as placements see them; raises Undecidable where that isn't known."""
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
    """What every policy says of itself."""

    name: str
    reason: str
    """What goes wrong without it."""
    remedy: str
    """How a violation is fixed."""


@dataclass(frozen=True)
class Guard(Principle):
    """A limit on what one plan may do (flotilla.policy.guards): a person may confirm the plan by its digest."""


@dataclass(frozen=True)
class Rule(Principle):
    """A policy on what is declared."""

    subjects: Subjects
    """The resources that it is about; none: it doesn't apply."""
    judge: Judge
    """What is wrong with one of them, a sentence each."""
    always: bool = False
    """Mandatory in every environment, unless the stack says otherwise."""
    production_only: bool = False
