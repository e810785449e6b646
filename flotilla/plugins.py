"""Extensions, found by the entry points of installed packages and of the user's project.

A project is not installed. Its own extensions are listed in its `pyproject.toml`, in the same tables that a package
uses for its entry points (packaging.python.org, "Entry points specification"), and are imported from its folder.

An extension that can't be used is an error. Flotilla does not continue without it, because somebody may rely on the
policy or the check that it contains.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.kube.reading import UnreadableFile, read_text

PROJECT_FILE = "pyproject.toml"


class Group(StrEnum):
    """The groups of entry points; docs/guides/own-project.md says what belongs in each."""

    COMPONENTS = "flotilla.components"
    SOURCES = "flotilla.sources"
    POLICIES = "flotilla.policies"
    DRIFT_RULES = "flotilla.drift_rules"
    AGENT_TOOLS = "flotilla.agent_tools"
    DYNAMIC_PROVIDERS = "flotilla.dynamic_providers"


class PluginError(FlotillaError):
    """An extension that can't be used; the message names it and its origin."""


@dataclass(frozen=True)
class Plugin:
    """One extension, not imported yet."""

    group: Group
    name: str
    value: str
    """The Python object, as `package.module:object`."""
    origin: str
    """The package and its version, or the file of the project that lists it."""
    project: Path | None = None
    """The folder that it is imported from, if it belongs to the project."""

    @property
    def title(self) -> str:
        """The name of this extension in messages."""
        return f"{self.group} {self.name!r} of {self.origin} ({self.value})"

    def load(self) -> Any:
        """Import the Python object.

        Raises:
            PluginError: the import fails.
        """
        try:
            with importable(self.project):
                return EntryPoint(self.name, self.value, self.group).load()
        except (Exception, SystemExit) as error:
            raise self.unusable(f"can't be imported: {type(error).__name__}: {error}") from error

    def unusable(self, why: str) -> PluginError:
        """Return the error for an extension that can't be used; `why` continues the sentence after its name."""
        remedy = "correct it" if self.project else "correct it, or uninstall its package"
        return PluginError(
            f"{self.title} {why}", hint=f"{remedy}; nothing runs without it, because somebody may rely on it"
        )


def plugins(group: Group, project: Path | None = None) -> dict[str, Plugin]:
    """Return the extensions of a group by name, sorted by name; none is imported.

    Args:
        group: the group of entry points.
        project: the project's folder, for its own extensions; None for those of installed packages only.

    Raises:
        PluginError: two extensions have the same name.
        FlotillaError: the project's file can't be read.
    """
    found: dict[str, Plugin] = {}
    for one in (*_installed(group), *_own(group, project)):
        other = found.get(one.name)
        # A project may be installed as well (`pip install --editable .`): its extensions are then found twice.
        if other is not None and other.value != one.value:
            raise PluginError(
                f"{group}: {one.name!r} is in {other.origin} ({other.value}) and in {one.origin} ({one.value}); "
                "it is not clear which is meant",
                hint="rename one of them, or uninstall its package",
            )
        found[one.name] = one
    return dict(sorted(found.items()))


def _installed(group: Group) -> Iterator[Plugin]:
    for point in entry_points(group=group):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else "an installed package"
        yield Plugin(group, point.name, point.value, origin)


def _own(group: Group, project: Path | None) -> Iterator[Plugin]:
    if project is None:
        return
    file = project / PROJECT_FILE
    try:
        document = tomllib.loads(read_text(file))
    except UnreadableFile as error:
        if error.missing:
            return
        raise
    except tomllib.TOMLDecodeError as error:
        raise FlotillaError(f"{file}: not valid TOML: {error}", hint="correct it") from None
    table: Any = document
    for key in ("project", "entry-points", str(group)):
        table = table.get(key, {}) if isinstance(table, dict) else None
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise FlotillaError(
            f'{file}: [project.entry-points."{group}"] must be a table of texts, each `package.module:object`',
            hint="correct it",
        )
    for name, value in table.items():
        yield Plugin(group, name, value, PROJECT_FILE, project)


def several(plugin: Plugin, value: Any, kind: type | tuple[type, ...], what: str) -> list[Any]:
    """Return the value of a plugin as a list, whether it is one object or a list of them.

    Args:
        plugin: the plugin that gave the value.
        value: one object, or several.
        kind: the required type of each object.
        what: the name of that type in messages.

    Raises:
        PluginError: an object has another type.
    """
    given = [value] if isinstance(value, kind) else value
    if not isinstance(given, Iterable) or isinstance(given, str | bytes | dict):
        raise plugin.unusable(f"is no {what}, and no list of them: it is of the type {type(value).__name__}")
    listed = list(given)
    wrong = next((one for one in listed if not isinstance(one, kind)), None)
    if wrong is not None:
        raise plugin.unusable(f"has something that is no {what}: it is of the type {type(wrong).__name__}")
    return listed


@contextmanager
def importable(project: Path | None) -> Iterator[None]:
    """Let modules in a project's folder be imported."""
    if project is None:
        yield
        return
    sys.path.insert(0, str(project))
    try:
        yield
    finally:
        sys.path.remove(str(project))
