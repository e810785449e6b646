"""The desired state of one resource: the SDK's registration, with every option that the engine supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flotilla import durations
from flotilla.engine.aliases import Alias, aliases_of
from flotilla.errors import EngineError
from flotilla.kube.objects import Path
from flotilla.state.diff import parse_path
from flotilla.state.values import Properties, from_struct


@dataclass(frozen=True)
class Goal:
    """A registration of a resource. The options have Pulumi's meaning."""

    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    provider: str = ""
    version: str = ""
    dependencies: tuple[str, ...] = ()
    property_dependencies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    protect: bool = False
    delete_before_replace: bool | None = None
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    import_id: str = ""
    timeouts: tuple[tuple[str, float], ...] = ()
    retain_on_delete: bool = False
    deleted_with: str = ""

    def timeout(self, operation: str) -> float | None:
        """Return the custom timeout of create, update or delete, in seconds."""
        return dict(self.timeouts).get(operation)


def goal_of(request: Any) -> Goal:
    """Return the goal of a RegisterResourceRequest.

    Raises:
        EngineError: the request uses a feature that this engine doesn't support.
    """
    for given, what in (
        (request.remote, "a component of another language"),
        (list(request.transforms), "transforms on a resource"),
        (request.HasField("hooks") and _any_hook(request.hooks), "resource hooks"),
        (list(request.replace_with), "replace_with"),
        (request.packageRef, "a parameterized package"),
        (request.pluginDownloadURL, "a plugin with its own download address"),
    ):
        if given:
            raise EngineError(
                f"{request.type} {request.name!r} uses {what}, which the embedded engine doesn't know",
                hint="nothing was changed; use --engine pulumi",
            )
    timeouts = request.customTimeouts
    return Goal(
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object),
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        dependencies=tuple(sorted(request.dependencies)),
        property_dependencies=tuple(
            (key, tuple(sorted(deps.urns))) for key, deps in sorted(request.propertyDependencies.items())
        ),
        protect=request.protect,
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        aliases=aliases_of(request),
        import_id=request.importId,
        timeouts=tuple(
            (key, seconds(getattr(timeouts, key))) for key in ("create", "update", "delete") if getattr(timeouts, key)
        ),
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
    )


def _any_hook(hooks: Any) -> bool:
    return any(list(value) for _, value in hooks.ListFields())


def seconds(duration: str) -> float:
    """Return the seconds of a custom timeout."""
    try:
        return durations.seconds(duration)
    except ValueError as error:
        raise EngineError(f"{duration!r} {error}", hint="write it as 90s, 10m or 1h30m") from None


def keep_ignored(inputs: Properties, old: Properties, paths: tuple[str, ...]) -> Properties:
    """Return inputs with the old values at the ignored paths (a path that the old inputs lack is removed)."""
    result: Any = inputs
    for text in paths:
        result = _with(result, old, parse_path(text))
    return dict(result)


def _with(new: Any, old: Any, path: Path) -> Any:
    """Return `new` with `old`'s value at a path."""
    if not path:
        return old
    step, rest = path[0], path[1:]
    if step == "*":
        keys = range(len(new)) if isinstance(new, list) else list(new) if isinstance(new, dict) else []
        for key in keys:
            new = _with(new, old, (key, *rest))
        return new
    if isinstance(new, list) and isinstance(step, int):
        before = old[step] if isinstance(old, list) and step < len(old) else None
        return [_with(v, before, rest) if i == step else v for i, v in enumerate(new)]
    if not isinstance(new, dict):
        return new
    inner = _with(new.get(str(step)), old.get(str(step)) if isinstance(old, dict) else None, rest)
    result = {**new, str(step): inner}
    return {key: value for key, value in result.items() if value is not None}
