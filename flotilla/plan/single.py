"""Takes one object of a stack over alone: finds the object, and the parts of the stack that this requires.

These are its provider and the resources from which its inputs are computed, but not those for which it only waits.
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
    """An object as users name it: `Kind/name`, or `Kind/namespace/name`."""

    kind: str
    name: str
    namespace: str | None = None
    """None: any namespace, or none."""

    def means(self, ref: ObjectRef) -> bool:
        """Return whether this names an object; the case of the kind doesn't matter, as in kubectl."""
        named = (self.kind.lower(), self.name) == (ref.kind.lower(), ref.name)
        return named and self.namespace in (None, ref.namespace)


@dataclass(frozen=True)
class Match:
    """A declared object, and its step in a plan of the whole stack."""

    step: Step
    ref: ObjectRef
    cluster: str

    def __str__(self) -> str:
        """Return the object with its cluster, as messages show it."""
        return f"{self.cluster}: {self.ref}"


def matches(steps: Iterable[Step], wanted: Wanted) -> list[Match]:
    """Return the declared objects that a name matches, in the order of their clusters."""
    found = []
    for step in steps:
        if step.type.startswith(_OBJECTS) and step.new is not None and "kind" in step.new.inputs:
            ref = ref_of(reveal(step.new.inputs))
            if wanted.means(ref):
                found.append(Match(step, ref, cluster_of(provider_of(step.provider))))
    return sorted(found, key=str)


def with_dependencies(steps: Iterable[Step], urns: Iterable[str]) -> tuple[Step, ...]:
    """Return the steps of resources, and of all resources on which their inputs and providers depend."""
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


def blocking_step(along: Sequence[Step], urns: Iterable[str]) -> Step | None:
    """Return a step that would create or change something in a cluster, other than the wanted objects; else None."""
    meant: Mapping[str, None] = dict.fromkeys(urns)
    return next((one for one in along if one.urn not in meant and one.op in CHANGING and not _harmless(one)), None)


def _made_of(state: ResourceState) -> list[str]:
    inputs = [urn for urns in state.property_dependencies.values() for urn in urns]
    return [*inputs, *([state.provider.rpartition("::")[0]] if state.provider else [])]


def _harmless(step: Step) -> bool:
    """Return whether a step doesn't change any cluster: it is an entry of the state, a read or another adoption."""
    entry = step.type.startswith(PROVIDER_PREFIX) or (step.new is not None and not step.new.custom)
    return entry or step.op is Op.ADOPT or only_looks(step)
