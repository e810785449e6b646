"""The result that all sources of a workload's objects have in common: objects, and notices about them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flotilla.errors import FlotillaError
from flotilla.kube.objects import Object
from flotilla.stack.problems import Problem

NOTHING = "there would be nothing to run"
"""The consequence of a source without objects."""


@dataclass(frozen=True)
class Found:
    """An object, and the file from which it comes."""

    object: Object
    """The object is shared: callers must not change it."""
    origin: str = ""
    """The template or manifest, by the user's name for it; empty where the source doesn't give it."""


@dataclass(frozen=True)
class Sourced:
    """The result of a source."""

    found: tuple[Found, ...]
    notices: tuple[str, ...] = ()
    """Notices to the user, a line each, without values of Secrets."""
    notes: str = ""
    """The notes of a chart's author for those who install it, several lines; empty where they aren't known."""

    @property
    def objects(self) -> list[Object]:
        """The objects, in the source's order."""
        return [one.object for one in self.found]


class SourceError(FlotillaError):
    """A source gives no objects; the paths of `problems` are relative to the workload."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Store the problems separately."""
        self.problems = list(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    def of(self, workload: str) -> list[Problem]:
        """Return the problems with full paths.

        Args:
            workload: the beginning of the paths, such as `workloads[0]`.
        """
        return [replace(problem, path=f"{workload}.{problem.path}") for problem in self.problems]
