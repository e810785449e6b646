"""Which existing objects a run takes over instead of refusing to create them: all, or those of named parts."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flotilla.state.urns import STACK_TYPE, name_of, own_type
from flotilla.state.values import Properties, reveal


@dataclass(frozen=True)
class Adoption:
    """What `--adopt` asks for; nothing by default."""

    asked: bool = False
    names: tuple[str, ...] = ()
    """Names of members, workloads, resources or objects (`Deployment web`, `Deployment shop/web`, also with `/`
    after the kind); empty for everything that is there."""

    def covers(self, names: Iterable[str]) -> bool:
        """Tell whether something that goes by these names is to be taken over."""
        return self.asked and (not self.names or not set(self.names).isdisjoint(names))


NOTHING = Adoption()


class Named:
    """Which of the names that were asked for something goes by; for threads side by side."""

    def __init__(self, adoption: Adoption) -> None:
        """Take what was asked for."""
        self._adoption = adoption
        self._lock = threading.Lock()
        self._missing = set(adoption.names)

    def covers(self, names: Sequence[str]) -> bool:
        """Tell whether something that goes by these names is to be taken over, and note that they are known."""
        with self._lock:
            self._missing.difference_update(names)
        return self._adoption.covers(names)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names that nothing goes by."""
        with self._lock:
            return tuple(sorted(self._missing))


def part_of(chain: Sequence[str]) -> str:
    """Return the member, the workload or the like that a resource belongs to: the outermost one within the stack.

    Args:
        chain: the resource's URN, its parent's, and so on.
    """
    within = [urn for urn in chain if own_type(urn) != STACK_TYPE]
    return name_of(within[-1]) if within else ""


def names_of(chain: Sequence[str], inputs: Properties) -> list[str]:
    """Return the names that a resource goes by.

    Args:
        chain: the resource's URN, its parent's, and so on.
        inputs: what is declared of an object.
    """
    names = [name_of(urn) for urn in chain if own_type(urn) != STACK_TYPE]
    metadata = reveal(inputs.get("metadata"))
    kind, name = inputs.get("kind"), metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(kind, str) and isinstance(name, str):
        namespace = metadata.get("namespace")
        forms = [name, *([f"{namespace}/{name}"] if isinstance(namespace, str) else [])]
        names += [f"{kind}{mark}{form}" for form in forms for mark in (" ", "/")]
    return names
