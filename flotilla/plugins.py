"""Extensions that others wrote, found by entry points: of installed packages, and of the project that is worked on.

A project isn't installed. Its own extensions stand in its `pyproject.toml`, in the tables that a package has for its
entry points (packaging.python.org, "Entry points specification"), and are imported from the project's folder.

One that can't be used is an error that names it: nothing goes on without a policy or a check that somebody relies on.
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
    """The groups of entry points; docs/guides/own-project.md says what each takes."""

    COMPONENTS = "flotilla.components"
    POLICIES = "flotilla.policies"
    DRIFT_RULES = "flotilla.drift_rules"
    AGENT_TOOLS = "flotilla.agent_tools"
    DYNAMIC_PROVIDERS = "flotilla.dynamic_providers"


class PluginError(FlotillaError):
    """An extension that can't be used; the message names it, and where it is from."""


@dataclass(frozen=True)
class Plugin:
    """One extension; it isn't imported yet."""

    group: Group
    name: str
    value: str
    """Where its object is, as `package.module:object`."""
    origin: str
    """The package and its version, or the project's file."""
    project: Path | None = None
    """The folder that it is imported from, where it is the project's own."""

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.group} {self.name!r} of {self.origin} ({self.value})"

    def load(self) -> Any:
        """Import its object.

        Raises:
            PluginError: that fails, in whichever way.
        """
        try:
            with importable(self.project):
                return EntryPoint(self.name, self.value, self.group).load()
        except (Exception, SystemExit) as error:
            raise self.unusable(f"can't be imported: {type(error).__name__}: {error}") from error

    def unusable(self, why: str) -> PluginError:
        """Return the error that says why it can't be used."""
        remedy = "correct it" if self.project else "correct it, or uninstall its package"
        return PluginError(f"{self.title} {why}", hint=f"{remedy}; nothing runs without it, for somebody relies on it")


def plugins(group: Group, project: Path | None = None) -> dict[str, Plugin]:
    """Return the extensions of a group by name, in the order of their names; none is imported.

    Args:
        group: which.
        project: the project's folder, for its own; None: only those of installed packages.

    Raises:
        PluginError: two of them have one name.
        FlotillaError: the project's file can't be read.
    """
    found: dict[str, Plugin] = {}
    for one in (*_installed(group), *_own(group, project)):
        other = found.get(one.name)
        # A project that is installed as well, by `pip install --editable .`, is one and the same.
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
    """Return what a plugin gives, one thing or several, as a list; all are of a kind.

    Args:
        plugin: whose.
        value: what it gives.
        kind: the type of each.
        what: how a message calls that.

    Raises:
        PluginError: it is something else.
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
    """Let what stands in a project's folder be imported."""
    if project is None:
        yield
        return
    sys.path.insert(0, str(project))
    try:
        yield
    finally:
        sys.path.remove(str(project))
