"""Dynamic resources, in this process: the provider objects of the program that runs, or of classes known by name.

A state holds each resource's provider as a pickle, which Pulumi's CLI loads. This engine writes it as the program sends
it, so that the CLI can take the stack over, and never loads one: whoever can write a state could have any code run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

from flotilla.errors import EngineError, FlotillaError, NotDone
from flotilla.kube.objects import copied
from flotilla.pickler import keep_pickler
from flotilla.plugins import Group, importable, plugins
from flotilla.providers import InitializationError, Live
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, ChangeKind, Diff, compare, parse_path
from flotilla.state.urns import DYNAMIC_PREFIX, own_type
from flotilla.state.values import Properties, has_unknown, reveal

ENTRY_POINTS = Group.DYNAMIC_PROVIDERS
"""The group of entry points that make providers known by name: each is a mapping of type tokens without
`pulumi-python:` (`dynamic/flotilla:Rollout`) to classes (`package.module:Class`)."""

BY_ITS_JUDGEMENT = Change((), ChangeKind.UPDATE, "as found", "as declared")
"""What a provider calls a change although no property shows any."""

_PROVIDER_KEY = "__provider"
_registered: dict[str, str | Callable[[], Any]] = {}
_projects: list[Path] = []
_taking: ContextVar[Callable[[str, Any], None] | None] = ContextVar("taking", default=None)


def register(token: str, provider: str | Callable[[], Any]) -> None:
    """Make a provider known by name in this process, for resources that no running program declares.

    Args:
        token: the resource's type without `pulumi-python:`, as `dynamic/module:Name`.
        provider: its class, as `package.module:Class` or itself.
    """
    _registered[token] = provider
    _named.cache_clear()


def register_project(folder: Path) -> None:
    """Make the providers known that a project's own `pyproject.toml` names; they are imported when one is needed."""
    if folder not in _projects:
        _projects.append(folder)
        _announced.cache_clear()
        _named.cache_clear()


@cache
def _announced(project: Path | None) -> Mapping[str, str]:
    """Return the providers that entry points name: of installed packages, and of a project.

    Raises:
        PluginError: one of them can't be used.
    """
    found: dict[str, str] = {}
    for plugin in plugins(ENTRY_POINTS, project).values():
        mapping = plugin.load()
        if not isinstance(mapping, Mapping):
            raise plugin.unusable(f"is no mapping of types to classes: it is of the type {type(mapping).__name__}")
        found |= mapping
    return found


@cache
def _named(token: str) -> Any:
    """Return the provider that is known by a type's name; None where none is."""
    if token in _registered:
        return _made(_registered[token], None)
    for project in (None, *_projects):
        target = _announced(project).get(token)
        if target:
            return _made(target, project)
    return None


def _made(target: str | Callable[[], Any], project: Path | None) -> Any:
    if not isinstance(target, str):
        return target()
    module, _, name = target.partition(":")
    with importable(project):
        return getattr(importlib.import_module(module), name)()


@contextmanager
def taking(take: Callable[[str, Any], None]) -> Iterator[None]:
    """Give every provider object that a program declares a resource with to `take`, by the text that the SDK sends.

    The SDK has no such seam: its function that makes the text is wrapped, once a process. Programs that run side by
    side, each in a context of its own, are kept apart.
    """
    from pulumi.dynamic import dynamic

    keep_pickler()
    original = dynamic.serialize_provider
    if not hasattr(original, "taken_by_flotilla"):

        def serialize_provider(provider: Any) -> str:
            text = str(original(provider))
            take_one = _taking.get()
            if take_one is not None:
                take_one(text, provider)
            return text

        serialize_provider.taken_by_flotilla = True  # type: ignore[attr-defined]
        serialize_provider.keeps_the_pickler = True  # type: ignore[attr-defined]
        dynamic.serialize_provider = serialize_provider
    token = _taking.set(take)
    try:
        yield
    finally:
        _taking.reset(token)


def differing(old: ResourceState, inputs: Properties, replaces: list[str]) -> list[Change]:
    """Return what differs, for a dynamic provider itself only tells that something does, and what asks for another.

    It compares the inputs, or after a refresh what was found instead of them.
    """
    held, wanted = reveal(old.outputs), reveal(inputs)
    changed = compare(reveal(old.inputs), wanted) or compare({key: held.get(key) for key in wanted}, wanted)
    paths = [parse_path(text) for text in replaces]
    changes = [
        Change(c.path, c.kind, c.old, c.new, replaces=any(c.path[: len(p)] == p for p in paths)) for c in changed
    ]
    shown = {path for path in paths for c in changes if c.path[: len(path)] == path}
    return changes + [Change(path, ChangeKind.UPDATE, replaces=True) for path in paths if path not in shown]


@contextmanager
def _kept(inputs: Properties) -> Iterator[None]:
    """Keep a resource in the state that exists but isn't complete."""
    try:
        yield
    except NotDone as error:
        raise InitializationError(
            Live(error.id, {**error.outs, _PROVIDER_KEY: inputs[_PROVIDER_KEY]}), error.message
        ) from None


def _own(values: Properties) -> Properties:
    """Return properties without the marks of secrets, as a copy: a program's provider may change what it gets."""
    plain: Properties = copied(reveal(values))
    return plain


class DynamicProvider:
    """Calls `pulumi.dynamic.ResourceProvider` objects as the SDK's own plugin does."""

    def __init__(self) -> None:
        """Begin with no program running."""
        self._by_text: dict[str, Any] = {}
        self._by_urn: dict[str, Any] = {}

    def take(self, text: str, provider: Any) -> None:
        """Take a provider object of the program that runs, with the text that the SDK has made of it."""
        self._by_text[text] = provider

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Let the provider check; its failures are bad input."""
        provider = self._by_text.get(str(inputs.get(_PROVIDER_KEY)))
        if provider is not None:
            self._by_urn[urn] = provider
        if has_unknown(inputs):
            return inputs
        olds = _own(old.inputs) if old else {}
        result = self._call(urn, "checking", lambda: self._provider(urn, inputs).check(olds, copied(inputs)))
        if result.failures:
            listed = "; ".join(f"{f.property}: {f.reason}" for f in result.failures)
            raise EngineError(f"{urn}: {listed}")
        return {**result.inputs, _PROVIDER_KEY: inputs[_PROVIDER_KEY]}

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Let the provider compare; unknowns count as changes."""
        result = self._call(
            old.urn,
            "comparing",
            lambda: self._provider(old.urn, inputs).diff(old.id, _own(old.outputs), copied(inputs)),
        )
        if result.changes is False:
            return Diff()
        changes = differing(old, inputs, result.replaces or [])
        if result.changes is None and not changes:
            return Diff()
        changes = changes or [BY_ITS_JUDGEMENT]
        return Diff(tuple(changes), bool(result.delete_before_replace))

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Have nobody to ask."""
        return ""

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Let the provider create."""
        with _kept(inputs):
            result = self._call(urn, "creating", lambda: self._provider(urn, inputs).create(copied(inputs)))
        return Live(str(result.id), {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Let the provider update."""
        with _kept(inputs):
            result = self._call(
                old.urn,
                "updating",
                lambda: self._provider(old.urn, inputs).update(old.id, _own(old.outputs), copied(inputs)),
            )
        return Live(old.id, {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Let the provider delete."""
        props = _own(old.outputs)
        self._call(old.urn, "deleting", lambda: self._provider(old.urn, props).delete(old.id, props))

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Let the provider read."""
        props = _own(old.outputs) if old else {}
        inputs = _own(old.inputs) if old else {}
        result = self._call(urn, "reading", lambda: self._provider(urn, props).read(resource_id, copied(props)))
        outs = {**(result.outs or {}), _PROVIDER_KEY: props.get(_PROVIDER_KEY)}
        return Live(str(result.id or ""), outs, getattr(result, "inputs", None) or inputs)

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find nothing: dynamic providers have no way to tell, so that the creation is begun again."""
        return Live("", {})

    def creation_token(self) -> str:
        """Return none: see `recover`."""
        return ""

    def _provider(self, urn: str, props: Properties) -> Any:
        """Return the provider of a resource: the running program's own, else the one that is known by its type.

        The text only chooses among objects that the program has made in this run; it is never loaded.

        Raises:
            EngineError: it is neither.
        """
        text = props.get(_PROVIDER_KEY)
        found = self._by_text.get(text) if isinstance(text, str) else None
        found = found or self._by_urn.get(urn)
        token = own_type(urn).removeprefix(DYNAMIC_PREFIX)
        found = found or _named(token)
        if found is None:
            raise EngineError(
                f"the provider of {token} isn't known: the program doesn't declare such a resource, and no installed "
                f"package names its class ({ENTRY_POINTS})",
                hint="use --engine pulumi, which loads the code that the state holds; nothing of it is run here",
            )
        return found

    def _call(self, urn: str, doing: str, action: Any) -> Any:
        try:
            return action()
        except FlotillaError:
            raise
        except Exception as error:  # a program's provider may raise anything
            raise EngineError(f"{doing} {urn}: {type(error).__name__}: {error}") from error
