"""One rendering: from the cache where its inputs are what they were, else by the program, and then kept."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

from flotilla.kube.secrecy import remember, secret_texts
from flotilla.stack.problems import Problem
from flotilla.workloads.sources.cache import Cache
from flotilla.workloads.sources.parts import differing
from flotilla.workloads.sources.programs import ProgramFailed, Tool, installed
from flotilla.workloads.sources.shape import NOTHING, Found, Sourced, SourceError

Render = Callable[[], Sourced]
"""Runs the program once.

Raises:
    ProgramFailed: it gave nothing.
    SourceError: what it gave is not made of objects.
"""


class Session(NamedTuple):
    """What can be asked of a program while what its runs share is there."""

    render: Render
    notes: Callable[[], str] = lambda: ""
    """Returns what a chart's author says to those who install it; secrets are `[secret]`."""


NOT_KEPT = (
    "is not what was rendered on this machine, and nothing is rendered for a proposal",
    "its objects can't be checked",
    "have a person run `flotilla validate` with it first",
)
"""Rule, consequence and remedy where no program may be started, and nothing was kept."""


@dataclass(frozen=True)
class Recipe:
    """How a source of a workload is rendered, and what its result depends on."""

    key: str
    """The digest of everything that is rendered, the program aside; it names the file in the cache."""
    where: str
    """The workload's key, such as `chart`."""
    programs: tuple[str, ...]
    """The first one of these that is installed renders it."""
    missing: Problem
    """What is said where none is."""
    session: Callable[[Tool], AbstractContextManager[Session]]
    """Prepares what the runs share: a pulled chart, files of values."""
    remedy: Callable[[str], str]
    """Returns what helps where the program fails, given its message."""
    may_vary: bool = False
    """The same inputs may give different objects: it is rendered twice, and what differs is named."""


def rendered(recipe: Recipe, cache: Cache, *, programs: bool) -> Sourced:
    """Return the objects of a source.

    Args:
        recipe: what is rendered.
        cache: where renderings are kept.
        programs: programs may be started; otherwise only what is kept is taken.

    Raises:
        SourceError: there are none, with one problem or several.
    """
    kept = cache.read(recipe.key)
    before = _from_json(kept) if kept else None
    tool = installed(*recipe.programs)
    if kept and before and (tool is None or not programs or kept.get("identity") == tool.identity):
        return _remembered(before)
    if not programs:
        raise SourceError([Problem(recipe.where, *NOT_KEPT)])
    if tool is None:
        raise SourceError([recipe.missing])
    try:
        version = tool.version()
        if kept and before and kept.get("version") == version:  # another file of the same version
            cache.write(recipe.key, {**kept, "identity": tool.identity})
            return _remembered(before)
        with recipe.session(tool) as session:
            made = _remembered(session.render())
            notices = [*made.notices, *(_varies(made, session.render()) if recipe.may_vary else [])]
            made = Sourced(made.found, tuple(notices), session.notes())
    except ProgramFailed as error:
        raise SourceError([Problem(recipe.where, error.message, NOTHING, recipe.remedy(error.message))]) from None
    cache.write(recipe.key, {"identity": tool.identity, "version": version, **_to_json(made)})
    return made


def _varies(first: Sourced, second: Sourced) -> list[str]:
    """Return a notice where two renderings of the same inputs differ; a second one that fails can't be compared."""
    fields = differing(first.found, second.found)
    if not fields:
        return []
    what = f"differs at each rendering (random, or by time) in {'; '.join(fields)}"
    why = "this machine keeps what it rendered first, until an input changes, and another machine makes others"
    return [f"{what}: {why}; set these values yourself"]


def _remembered(made: Sourced) -> Sourced:
    """Return it; texts that are printed later are cleaned of its Secrets."""
    remember(*(text for obj in made.objects if obj["kind"] == "Secret" for text in secret_texts(obj)))
    return made


def _to_json(made: Sourced) -> dict[str, Any]:
    return {
        "objects": [one.object for one in made.found],
        "origins": [one.origin for one in made.found],
        "notices": list(made.notices),
        **({"notes": made.notes} if made.notes else {}),
    }


def _from_json(kept: dict[str, Any]) -> Sourced | None:
    """Return what was kept; None where it isn't whole."""
    try:
        found = [Found(obj, str(origin)) for obj, origin in zip(kept["objects"], kept["origins"], strict=True)]
        notices = tuple(str(notice) for notice in kept["notices"])
    except (KeyError, TypeError, ValueError):
        return None
    made = Sourced(tuple(found), notices, str(kept.get("notes") or ""))
    return made if all(isinstance(one.object, dict) for one in found) else None
