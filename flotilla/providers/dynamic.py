"""Dynamic resources, in this process: by provider objects of the running program, or by classes registered by name.

A state contains each resource's provider as a pickle, which Pulumi's CLI loads. This engine writes the pickle that the
program sends, so that the CLI can continue with the stack, but never loads one: anybody who can write a state could
otherwise run any code.
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
"""The group of entry points that register providers by name: each is a mapping of type tokens without
`pulumi-python:` (`dynamic/flotilla:Rollout`) to classes (`package.module:Class`)."""

BY_ITS_JUDGEMENT = Change((), ChangeKind.UPDATE, "as found", "as declared")
"""The change to report if a provider says that a resource differs, but no property does."""

_PROVIDER_KEY = "__provider"
_registered: dict[str, str | Callable[[], Any]] = {}
_projects: list[Path] = []
_capture: ContextVar[Callable[[str, Any], None] | None] = ContextVar("capture", default=None)


def register(token: str, provider: str | Callable[[], Any]) -> None:
    """Register a provider by name in this process, for resources that no running program declares.

    Args:
        token: the resource's type without `pulumi-python:`, as `dynamic/module:Name`.
        provider: the class, as `package.module:Class` or as an object.
    """
    _registered[token] = provider
    _registered_provider.cache_clear()


def register_project(folder: Path) -> None:
    """Register the providers that a project's `pyproject.toml` names; they are imported when they are needed."""
    if folder not in _projects:
        _projects.append(folder)
        _from_entry_points.cache_clear()
        _registered_provider.cache_clear()


@cache
def _from_entry_points(project: Path | None) -> Mapping[str, str]:
    """Return the providers that entry points of installed packages or of a project name.

    Raises:
        PluginError: an entry point can't be used.
    """
    found: dict[str, str] = {}
    for plugin in plugins(ENTRY_POINTS, project).values():
        mapping = plugin.load()
        if not isinstance(mapping, Mapping):
            raise plugin.unusable(f"is no mapping of types to classes: it is of the type {type(mapping).__name__}")
        found |= mapping
    return found


@cache
def _registered_provider(token: str) -> Any:
    """Return the provider that is registered for a type; None if there is none."""
    if token in _registered:
        return _instance(_registered[token], None)
    for project in (None, *_projects):
        target = _from_entry_points(project).get(token)
        if target:
            return _instance(target, project)
    return None


def _instance(target: str | Callable[[], Any], project: Path | None) -> Any:
    if not isinstance(target, str):
        return target()
    module, _, name = target.partition(":")
    with importable(project):
        return getattr(importlib.import_module(module), name)()


@contextmanager
def capturing(capture: Callable[[str, Any], None]) -> Iterator[None]:
    """Pass each provider object of the program to `capture`, with its pickle as the SDK sends it.

    The SDK offers no hook for this, so its function that makes the pickle is wrapped, once per process. Programs that
    run in parallel have separate contexts, and so separate `capture` functions.
    """
    from pulumi.dynamic import dynamic

    keep_pickler()
    original = dynamic.serialize_provider
    if not hasattr(original, "captured_by_flotilla"):

        def serialize_provider(provider: Any) -> str:
            text = str(original(provider))
            capture_one = _capture.get()
            if capture_one is not None:
                capture_one(text, provider)
            return text

        serialize_provider.captured_by_flotilla = True  # type: ignore[attr-defined]
        serialize_provider.keeps_the_pickler = True  # type: ignore[attr-defined]
        dynamic.serialize_provider = serialize_provider
    token = _capture.set(capture)
    try:
        yield
    finally:
        _capture.reset(token)


def differing(old: ResourceState, inputs: Properties, replaces: list[str]) -> list[Change]:
    """Return the changes of a resource whose dynamic provider only reports that it differs, and what needs replacement.

    The inputs are compared; if they are equal, the outputs, which a refresh may have changed.
    """
    outputs, wanted = reveal(old.outputs), reveal(inputs)
    changed = compare(reveal(old.inputs), wanted) or compare({key: outputs.get(key) for key in wanted}, wanted)
    paths = [parse_path(text) for text in replaces]
    changes = [
        Change(c.path, c.kind, c.old, c.new, replaces=any(c.path[: len(p)] == p for p in paths)) for c in changed
    ]
    shown = {path for path in paths for c in changes if c.path[: len(path)] == path}
    return changes + [Change(path, ChangeKind.UPDATE, replaces=True) for path in paths if path not in shown]


@contextmanager
def _keeping_incomplete(inputs: Properties) -> Iterator[None]:
    """Turn the error of an incomplete resource into the one by which the state keeps the resource."""
    try:
        yield
    except NotDone as error:
        raise InitializationError(
            Live(error.id, {**error.outs, _PROVIDER_KEY: inputs[_PROVIDER_KEY]}), error.message
        ) from None


def _plain_copy(values: Properties) -> Properties:
    """Return a copy of properties without the marks of secrets; a program's provider may change its arguments."""
    plain: Properties = copied(reveal(values))
    return plain


class DynamicProvider:
    """Calls `pulumi.dynamic.ResourceProvider` objects as the SDK's own plugin does."""

    def __init__(self) -> None:
        """Start without providers of a program."""
        self._by_text: dict[str, Any] = {}
        self._by_urn: dict[str, Any] = {}

    def take(self, text: str, provider: Any) -> None:
        """Store a provider object of the running program, with the pickle that the SDK made of it."""
        self._by_text[text] = provider

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Call the provider's `check`; its failures mean invalid inputs."""
        provider = self._by_text.get(str(inputs.get(_PROVIDER_KEY)))
        if provider is not None:
            self._by_urn[urn] = provider
        if has_unknown(inputs):
            return inputs
        olds = _plain_copy(old.inputs) if old else {}
        result = self._call(urn, "checking", lambda: self._provider(urn, inputs).check(olds, copied(inputs)))
        if result.failures:
            listed = "; ".join(f"{f.property}: {f.reason}" for f in result.failures)
            raise EngineError(f"{urn}: {listed}")
        return {**result.inputs, _PROVIDER_KEY: inputs[_PROVIDER_KEY]}

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Call the provider's `diff`; unknowns count as changes."""
        result = self._call(
            old.urn,
            "comparing",
            lambda: self._provider(old.urn, inputs).diff(old.id, _plain_copy(old.outputs), copied(inputs)),
        )
        if result.changes is False:
            return Diff()
        changes = differing(old, inputs, result.replaces or [])
        if result.changes is None and not changes:
            return Diff()
        changes = changes or [BY_ITS_JUDGEMENT]
        return Diff(tuple(changes), bool(result.delete_before_replace))

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Return no warning: dynamic providers have no dry run."""
        return ""

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Call the provider's `create`."""
        with _keeping_incomplete(inputs):
            result = self._call(urn, "creating", lambda: self._provider(urn, inputs).create(copied(inputs)))
        return Live(str(result.id), {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Call the provider's `update`."""
        with _keeping_incomplete(inputs):
            result = self._call(
                old.urn,
                "updating",
                lambda: self._provider(old.urn, inputs).update(old.id, _plain_copy(old.outputs), copied(inputs)),
            )
        return Live(old.id, {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Call the provider's `delete`."""
        props = _plain_copy(old.outputs)
        self._call(old.urn, "deleting", lambda: self._provider(old.urn, props).delete(old.id, props))

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Call the provider's `read`."""
        props = _plain_copy(old.outputs) if old else {}
        inputs = _plain_copy(old.inputs) if old else {}
        result = self._call(urn, "reading", lambda: self._provider(urn, props).read(resource_id, copied(props)))
        outs = {**(result.outs or {}), _PROVIDER_KEY: props.get(_PROVIDER_KEY)}
        return Live(str(result.id or ""), outs, getattr(result, "inputs", None) or inputs)

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find nothing: dynamic providers can't look for a resource without its ID, so the creation is repeated."""
        return Live("", {})

    def creation_token(self) -> str:
        """Return no token: see `recover`."""
        return ""

    def _provider(self, urn: str, props: Properties) -> Any:
        """Return the provider of a resource: the running program's, otherwise the one that is registered for its type.

        The pickle only selects one of the objects that the program has created in this run; it is never loaded.

        Raises:
            EngineError: there is neither.
        """
        text = props.get(_PROVIDER_KEY)
        found = self._by_text.get(text) if isinstance(text, str) else None
        found = found or self._by_urn.get(urn)
        token = own_type(urn).removeprefix(DYNAMIC_PREFIX)
        found = found or _registered_provider(token)
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
        except Exception as error:  # a program's provider may raise any error
            raise EngineError(f"{doing} {urn}: {type(error).__name__}: {error}") from error
