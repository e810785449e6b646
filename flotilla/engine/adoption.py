"""The selection of existing objects that a run adopts instead of failing: all, or those of named parts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flotilla.state.urns import STACK_TYPE, name_of, own_type
from flotilla.state.values import Properties, reveal


@dataclass(frozen=True)
class Adoption:
    """The value of `--adopt`; by default nothing is adopted."""

    asked: bool = False
    names: tuple[str, ...] = ()
    """Names of members, workloads, resources or objects (`Deployment web`, `Deployment shop/web`, also with `/`
    after the kind); empty for all existing objects."""

    def covers(self, names: Iterable[str]) -> bool:
        """Return whether a resource that has these names is adopted."""
        return self.asked and (not self.names or not set(self.names).isdisjoint(names))


NOTHING = Adoption()


class AdoptionNames:
    """Matches resources with the names of an adoption, and keeps which names matched none. Safe to use from threads."""

    def __init__(self, adoption: Adoption) -> None:
        """Start with no name matched."""
        self._adoption = adoption
        self._lock = threading.Lock()
        self._missing = set(adoption.names)

    def covers(self, names: Sequence[str]) -> bool:
        """Return whether a resource that has these names is adopted, and mark the names as matched."""
        with self._lock:
            self._missing.difference_update(names)
        return self._adoption.covers(names)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that matched no resource."""
        with self._lock:
            return tuple(sorted(self._missing))


def part_of(chain: Sequence[str]) -> str:
    """Return the name of the outermost resource below the stack that contains a resource, such as a member or workload.

    Args:
        chain: the resource's URN, its parent's, and so on.
    """
    within = [urn for urn in chain if own_type(urn) != STACK_TYPE]
    return name_of(within[-1]) if within else ""


def names_of(chain: Sequence[str], inputs: Properties) -> list[str]:
    """Return the names by which `--adopt` can select a resource.

    Args:
        chain: the resource's URN, its parent's, and so on.
        inputs: the declared object.
    """
    names = [name_of(urn) for urn in chain if own_type(urn) != STACK_TYPE]
    metadata = reveal(inputs.get("metadata"))
    kind, name = inputs.get("kind"), metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and isinstance(name, str):
        namespace = metadata.get("namespace")
        forms = [name, *([f"{namespace}/{name}"] if isinstance(namespace, str) else [])]
        names += [f"{kind}{mark}{form}" for form in forms for mark in (" ", "/")]
    return names
