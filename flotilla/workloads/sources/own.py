"""Sources of the user's own: functions that return a workload's objects, found by entry points (`flotilla.sources`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.kube.objects import Object
from flotilla.kube.secrecy import redacted_line
from flotilla.plugins import Group, Plugin, importable, plugins
from flotilla.stack.extensions import OwnSource, unknown_extension
from flotilla.stack.problems import Problem
from flotilla.workloads.manifests import ManifestError, parse_manifests
from flotilla.workloads.sources.cache import Cache
from flotilla.workloads.sources.inputs import digest_of
from flotilla.workloads.sources.parts import MOST_OBJECTS, objects_of
from flotilla.workloads.sources.rendering import NOT_KEPT, from_json, remembered, to_json
from flotilla.workloads.sources.shape import NOTHING, Found, Sourced, SourceError

_KEY = "source"
_LONGEST = 300


@dataclass(frozen=True)
class Asked:
    """The arguments of a source."""

    args: Mapping[str, Any]
    """The `args` of the stack file."""
    workload: str
    """The name of the workload's policies, which a rename of the workload doesn't change."""
    namespace: str
    """The workload's: objects without a namespace go there."""
    project: Path
    """The project's folder."""


Source = Callable[[Asked], Iterable[Object] | str]
"""Returns objects as manifests have them, or YAML; the same ones for the same arguments, since plans compare them."""


def own_objects(source: OwnSource, asked: Asked, cache: Cache, *, run: bool) -> Sourced:
    """Return the objects of a source of the user's own.

    The files that a source reads are not known, so it is called in each run. What it returns is cached for callers that
    may not call it.

    Args:
        source: the source, as the stack file names it.
        asked: its arguments.
        cache: the cache of renderings.
        run: it may be called; otherwise only the cache is used.

    Raises:
        SourceError: the source gives no objects.
        FlotillaError: the project's `pyproject.toml` can't be read, or two sources have one name.
    """
    key = _place(source, asked)
    if not run:
        kept = _kept(cache, key)
        if kept is None:
            raise SourceError([Problem(_KEY, *NOT_KEPT)])
        return remembered(kept)
    known = plugins(Group.SOURCES, asked.project)
    if source.use not in known:
        raise SourceError([unknown_extension(f"{_KEY}.use", source.use, "source", known)])
    made = remembered(Sourced(tuple(_found(known[source.use], asked))))
    cache.write(key, to_json(made))
    return made


def own_key(source: OwnSource, asked: Asked, cache: Cache) -> str:
    """Return the digest of what a source of the user's own returned last on this machine.

    Raises:
        SourceError: it is not cached.
    """
    kept = _kept(cache, _place(source, asked))
    if kept is None:
        raise SourceError([Problem(_KEY, *NOT_KEPT)])
    return digest_of(to_json(kept))


def _place(source: OwnSource, asked: Asked) -> str:
    """Return the key of the objects in the cache."""
    return digest_of({"source": _KEY, **source.model_dump(), "of": [asked.workload, asked.namespace]})


def _kept(cache: Cache, key: str) -> Sourced | None:
    kept = cache.read(key)
    return from_json(kept) if kept else None


def _found(plugin: Plugin, asked: Asked) -> list[Found]:
    """Call a source, and check what it returns like a manifest."""
    try:
        given = _returned(plugin, asked)
    except FlotillaError as error:
        raise SourceError([Problem(_KEY, error.message, NOTHING, error.hint)]) from error
    if isinstance(given, str):
        return objects_of(given, key=_KEY, where=f"what {plugin.title} returned")
    if len(given) > MOST_OBJECTS:
        rule = f"{plugin.title} returned more than {MOST_OBJECTS} objects"
        raise SourceError([Problem(_KEY, rule, "a plan could not be read", "split the workload")])
    try:
        return [Found(one, plugin.name) for one in parse_manifests("", given)]
    except ManifestError as error:
        wrong = f"what {plugin.title} returned"
        raise SourceError([Problem(_KEY, f"{wrong}: {one}", NOTHING, "correct it") for one in error.problems]) from None


def _returned(plugin: Plugin, asked: Asked) -> list[Any] | str:
    """Return what a source returns: YAML, or a list of plain data that the source doesn't share.

    Raises:
        FlotillaError: the source can't be used, or failed.
    """
    function = plugin.load()
    if not callable(function):
        raise plugin.unusable(f"is not a function: its type is {type(function).__name__}")
    try:
        with importable(plugin.project):
            given = function(asked)
            if isinstance(given, str):
                return given
            listed = [given] if isinstance(given, Mapping) else list(given)
            documents: list[Any] = json.loads(json.dumps(listed, allow_nan=False))
    except FlotillaError:
        raise
    except (Exception, SystemExit) as error:
        why = redacted_line(f"{type(error).__name__}: {error}", _LONGEST)
        raise plugin.unusable(f"failed: {why}") from error
    return documents
