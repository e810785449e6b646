"""One object of a stack that is taken over alone: which one is meant, and what of the stack has to come along.

Its provider comes along, and whatever its inputs are made of. What it only has to wait for does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flotilla.karmada.names import cluster_of
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.plan.adoptions import only_looks
from flotilla.plan.steps import CHANGING, Op, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.urns import PROVIDER_PREFIX, provider_of
from flotilla.state.values import reveal

_OBJECTS = "kubernetes:"


@dataclass(frozen=True)
class Wanted:
    """An object as people name it: `Kind/name`, or `Kind/namespace/name`."""

    kind: str
    name: str
    namespace: str | None = None
    """None: in whatever namespace, or without one."""

    def means(self, ref: ObjectRef) -> bool:
        """Tell whether an object goes by this name; a kind in whatever case, as with kubectl."""
        named = (self.kind.lower(), self.name) == (ref.kind.lower(), ref.name)
        return named and self.namespace in (None, ref.namespace)


@dataclass(frozen=True)
class Match:
    """A declared object, and the step that a plan of the whole stack has for it."""

    step: Step
    ref: ObjectRef
    cluster: str

    def __str__(self) -> str:
        """Return what people call it."""
        return f"{self.cluster}: {self.ref}"


def matches(steps: Iterable[Step], wanted: Wanted) -> list[Match]:
    """Return the declared objects that a name means, in the order of their clusters."""
    found = []
    for step in steps:
        if step.type.startswith(_OBJECTS) and step.new is not None and "kind" in step.new.inputs:
            ref = ref_of(reveal(step.new.inputs))
            if wanted.means(ref):
                found.append(Match(step, ref, cluster_of(provider_of(step.provider))))
    return sorted(found, key=str)


def along_with(steps: Iterable[Step], urns: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps of resources and of everything that their inputs and providers are made of."""
    known = {step.urn: step for step in steps if step.new is not None}
    found: dict[str, Step] = {}
    open_ = list(urns)
    while open_:
        step = known.get(open_.pop())
        if step is None or step.urn in found:
            continue
        found[step.urn] = step
        open_ += _made_of(step.new) if step.new else ()
    return tuple(found.values())


def in_the_way(along: Sequence[Step], urns: Iterable[str]) -> Step | None:
    """Return a step that would make or change something in a cluster beside the objects that are meant."""
    meant: Mapping[str, None] = dict.fromkeys(urns)
    return next((one for one in along if one.urn not in meant and one.op in CHANGING and not _harmless(one)), None)


def _made_of(state: ResourceState) -> list[str]:
    inputs = [urn for urns in state.property_dependencies.values() for urn in urns]
    return [*inputs, *([state.provider.rpartition("::")[0]] if state.provider else [])]


def _harmless(step: Step) -> bool:
    """Tell whether a step leaves the clusters as they are: an entry of the state, a look, another adoption."""
    entry = step.type.startswith(PROVIDER_PREFIX) or (step.new is not None and not step.new.custom)
    return entry or step.op is Op.ADOPT or only_looks(step)
