"""Dynamic resources, in this process: the provider object that the program pickled does the work."""

from __future__ import annotations

import base64
from typing import Any

import dill

from flotilla.errors import EngineError, FlotillaError
from flotilla.providers import Live
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Change, ChangeKind, Diff, compare, parse_path
from flotilla.state.values import UNKNOWN, Properties, has_unknown, reveal

_PROVIDER_KEY = "__provider"


BY_ITS_JUDGEMENT = Change((), ChangeKind.UPDATE, "as found", "as declared")
"""What a provider calls a change although no property shows any."""


def differing(old: ResourceState, inputs: Properties, replaces: list[str]) -> list[Change]:
    """Return what differs, for a dynamic provider itself only tells that something does, and what asks for another.

    It is told by the inputs, or after a refresh by what was found instead of them.
    """
    held, wanted = reveal(old.outputs), reveal(inputs)
    changed = compare(reveal(old.inputs), wanted) or compare({key: held.get(key) for key in wanted}, wanted)
    paths = [parse_path(text) for text in replaces]
    changes = [
        Change(c.path, c.kind, c.old, c.new, replaces=any(c.path[: len(p)] == p for p in paths)) for c in changed
    ]
    shown = {path for path in paths for c in changes if c.path[: len(path)] == path}
    return changes + [Change(path, ChangeKind.UPDATE, replaces=True) for path in paths if path not in shown]


class DynamicProvider:
    """Runs `pulumi.dynamic.ResourceProvider` objects, with what the SDK's own plugin would hand them."""

    def __init__(self) -> None:
        """Begin with no provider unpickled."""
        self._loaded: dict[str, Any] = {}

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Let the provider check; its failures are bad input."""
        if has_unknown(inputs):
            return inputs
        olds = reveal(old.inputs) if old else {}
        result = self._call(urn, "checking", lambda: self._provider(inputs).check(olds, dict(inputs)))
        if result.failures:
            listed = "; ".join(f"{f.property}: {f.reason}" for f in result.failures)
            raise EngineError(f"{urn}: {listed}")
        return {**result.inputs, _PROVIDER_KEY: inputs[_PROVIDER_KEY]}

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Let the provider compare; unknowns count as changes."""
        result = self._call(
            old.urn, "comparing", lambda: self._provider(inputs, old).diff(old.id, reveal(old.outputs), dict(inputs))
        )
        if result.changes is False:
            return Diff()
        changes = differing(old, inputs, result.replaces or [])
        if result.changes is None and not changes:
            return Diff()
        changes = changes or [BY_ITS_JUDGEMENT]
        return Diff(tuple(changes), bool(result.delete_before_replace))

    def rehearse(self, old: ResourceState | None, inputs: Properties) -> str:
        """Have nobody to ask."""
        return ""

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Let the provider create."""
        result = self._call(urn, "creating", lambda: self._provider(inputs).create(dict(inputs)))
        return Live(str(result.id), {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Let the provider update."""
        result = self._call(
            old.urn, "updating", lambda: self._provider(inputs).update(old.id, reveal(old.outputs), dict(inputs))
        )
        return Live(old.id, {**(result.outs or {}), _PROVIDER_KEY: inputs[_PROVIDER_KEY]})

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Let the provider delete."""
        props = reveal(old.outputs)
        self._call(old.urn, "deleting", lambda: self._provider(props).delete(old.id, props))

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Let the provider read."""
        props = reveal(old.outputs) if old else {}
        inputs = reveal(old.inputs) if old else {}
        result = self._call(urn, "reading", lambda: self._provider(props).read(resource_id, dict(props)))
        outs = {**(result.outs or {}), _PROVIDER_KEY: props.get(_PROVIDER_KEY)}
        return Live(str(result.id or ""), outs, getattr(result, "inputs", None) or inputs)

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find nothing: dynamic providers have no way to tell, so that the creation is begun again."""
        return Live("", {})

    def creation_token(self) -> str:
        """Return none: see `recover`."""
        return ""

    def _provider(self, props: Properties, old: ResourceState | None = None) -> Any:
        text = props.get(_PROVIDER_KEY)
        if (text is None or text is UNKNOWN) and old is not None:
            text = reveal(old.outputs)[_PROVIDER_KEY]
        if text not in self._loaded:
            self._loaded[str(text)] = dill.loads(base64.b64decode(str(text)))  # noqa: S301 - the stack's own code
        return self._loaded[str(text)]

    def _call(self, urn: str, doing: str, action: Any) -> Any:
        try:
            return action()
        except FlotillaError:
            raise
        except Exception as error:  # a program's provider may raise anything
            raise EngineError(f"{doing} {urn}: {type(error).__name__}: {error}") from error
