"""Renders one source: from the cache if its inputs are unchanged, otherwise with the program, and caches it."""

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
    ProgramFailed: the program failed.
    SourceError: its output doesn't consist of objects.
"""


class Session(NamedTuple):
    """The operations of a program while the files that its runs share exist."""

    render: Render
    notes: Callable[[], str] = lambda: ""
    """Return the notes of a chart's author for those who install it; secrets are `[secret]`."""


NOT_KEPT = (
    "was not rendered on this machine before, and a proposal may not run a program",
    "its objects can't be checked",
    "a person has to run `flotilla validate` with it first",
)
"""Rule, consequence and remedy where no program may be started and the cache has no rendering."""


@dataclass(frozen=True)
class Recipe:
    """How a source of a workload is rendered, and on what its result depends."""

    key: str
    """The digest of all inputs except the program; it is the name of the file in the cache."""
    where: str
    """The workload's key, such as `chart`."""
    programs: tuple[str, ...]
    """The first of these programs that is installed renders the source."""
    missing: Problem
    """The problem if none is installed."""
    session: Callable[[Tool], AbstractContextManager[Session]]
    """Prepares what the runs share: a pulled chart, files of values."""
    remedy: Callable[[str], str]
    """Returns the remedy for a message of the failed program."""
    may_vary: bool = False
    """The same inputs may give different objects: Flotilla renders twice and reports the differences."""


def rendered(recipe: Recipe, cache: Cache, *, programs: bool) -> Sourced:
    """Return the objects of a source.

    Args:
        recipe: the recipe of the source.
        cache: the cache of renderings.
        programs: programs may be started; otherwise only the cache is used.

    Raises:
        SourceError: the source can't be rendered; the error has the problems.
    """
    kept = cache.read(recipe.key)
    before = from_json(kept) if kept else None
    tool = installed(*recipe.programs)
    if kept and before and (tool is None or not programs or kept.get("identity") == tool.identity):
        return remembered(before)
    if not programs:
        raise SourceError([Problem(recipe.where, *NOT_KEPT)])
    if tool is None:
        raise SourceError([recipe.missing])
    try:
        version = tool.version()
        if kept and before and kept.get("version") == version:  # another file of the same version
            cache.write(recipe.key, {**kept, "identity": tool.identity})
            return remembered(before)
        with recipe.session(tool) as session:
            made = remembered(session.render())
            notices = [*made.notices, *(_varies(made, session.render()) if recipe.may_vary else [])]
            made = Sourced(made.found, tuple(notices), session.notes())
    except ProgramFailed as error:
        raise SourceError([Problem(recipe.where, error.message, NOTHING, recipe.remedy(error.message))]) from None
    cache.write(recipe.key, {"identity": tool.identity, "version": version, **to_json(made)})
    return made


def _varies(first: Sourced, second: Sourced) -> list[str]:
    """Return a notice if two renderings of the same inputs differ; if the second one fails, nothing is compared."""
    fields = differing(first.found, second.found)
    if not fields:
        return []
    what = f"differs at each rendering (random, or by time) in {'; '.join(fields)}"
    why = "this machine keeps its first rendering until an input changes, and another machine has other values"
    return [f"{what}: {why}; set these values yourself"]


def remembered(made: Sourced) -> Sourced:
    """Return the rendering, after its Secrets are registered, so that texts printed later don't contain them."""
    remember(*(text for obj in made.objects if obj["kind"] == "Secret" for text in secret_texts(obj)))
    return made


def to_json(made: Sourced) -> dict[str, Any]:
    """Return the rendering as the cache stores it."""
    return {
        "objects": [one.object for one in made.found],
        "origins": [one.origin for one in made.found],
        "notices": list(made.notices),
        **({"notes": made.notes} if made.notes else {}),
    }


def from_json(kept: dict[str, Any]) -> Sourced | None:
    """Return the cached rendering; None where it is incomplete."""
    try:
        found = [Found(obj, str(origin)) for obj, origin in zip(kept["objects"], kept["origins"], strict=True)]
        notices = tuple(str(notice) for notice in kept["notices"])
    except (KeyError, TypeError, ValueError):
        return None
    made = Sourced(tuple(found), notices, str(kept.get("notes") or ""))
    return made if all(isinstance(one.object, dict) for one in found) else None
