"""The shape that every source of a workload's objects has: the objects, and what the user should know of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from flotilla.errors import FlotillaError
from flotilla.kube.objects import Object
from flotilla.stack.problems import Problem

NOTHING = "there would be nothing to run"
"""What goes wrong where a source gives no objects."""


@dataclass(frozen=True)
class Found:
    """An object, and the file that it comes from."""

    object: Object
    """Shared: nobody changes it."""
    origin: str = ""
    """The template or manifest, as a user names it; empty where the source doesn't say."""


@dataclass(frozen=True)
class Sourced:
    """What a source gives."""

    found: tuple[Found, ...]
    notices: tuple[str, ...] = ()
    """What the user should know, a line each; no value of a Secret is in it."""
    notes: str = ""
    """What a chart's author says to those who have installed it, several lines; empty where nothing is known of it."""

    @property
    def objects(self) -> list[Object]:
        """The objects, in the source's order."""
        return [one.object for one in self.found]


class SourceError(FlotillaError):
    """A source that gives no objects; the paths of `problems` are relative to the workload."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Keep the problems apart."""
        self.problems = list(problems)
        super().__init__("; ".join(str(problem) for problem in self.problems))

    def of(self, workload: str) -> list[Problem]:
        """Return the problems with whole paths.

        Args:
            workload: how a path begins, such as `workloads[0]`.
        """
        return [replace(problem, path=f"{workload}.{problem.path}") for problem in self.problems]
