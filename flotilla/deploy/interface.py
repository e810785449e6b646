"""The common interface of both engines, and the setting of a stack."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlparse

from flotilla.engine.adoption import NOTHING, Adoption
from flotilla.errors import EngineError

if TYPE_CHECKING:
    from flotilla.engine.program import Program
    from flotilla.plan.steps import Listener, Result
    from flotilla.state.checkpoint import Snapshot
    from flotilla.state.config import Project


class EngineName(StrEnum):
    """The engine that runs the program."""

    AUTO = "auto"
    PULUMI = "pulumi"
    EMBEDDED = "embedded"


class Stack(Protocol):
    """One stack, on one engine. Failures of resources are in the result; everything else raises FlotillaError."""

    engine: EngineName

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Return the plan of an `up`; the result's `digest` identifies exactly this plan."""
        ...

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Carry out the program's declaration; with a plan that was shown, only that plan."""
        ...

    def refresh(self, *, preview_only: bool = False) -> Result:
        """Store the clusters' values in the state, or only report what differs."""
        ...

    def destroy(
        self, *, targets: tuple[str, ...] = (), preview_only: bool = False, plan: Result | None = None
    ) -> Result:
        """Delete all resources, or only report them; with a plan that was shown, only that plan."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the current state, with readable secrets."""
        ...


@dataclass(frozen=True)
class Setting:
    """The location of a stack, and the options of its runs."""

    project: Path
    stack: str
    listener: Listener = lambda _: None
    report: Callable[[str], None] = lambda _: None
    program: Program | None = None
    config_file: Path | None = None
    """A file that is read instead of the stack file, to show the effect of a change before it is made."""
    adopt: Adoption = NOTHING
    """The existing objects that are adopted."""
    back_to: int = 0
    """The number of the update whose declaration the configuration file restores; 0 for none."""
    read_only: bool = False
    """Whether nothing may be written, not even by a first preview: no passphrase file, no new stack of the CLI."""

    @property
    def stack_file(self) -> Path:
        """The path of the stack's configuration."""
        return self.config_file or load_project(self).stack_file(self.stack)

    @property
    def state_folder(self) -> Path:
        """The folder of the default backend, in the project and ignored by git."""
        return self.project / ".flotilla" / "state"

    def backend_url(self) -> str:
        """Return the URL of the backend: the user's, or the default folder."""
        return os.environ.get("PULUMI_BACKEND_URL") or f"file://{self.state_folder}"


def backend_folder(url: str) -> Path:
    """Return the folder of a `file://` backend.

    Raises:
        EngineError: the backend is of another kind.
    """
    parsed = urlparse(url)
    if parsed.scheme != "file":
        raise EngineError(
            f"the stack's backend is {url}; the embedded engine keeps state in folders (file://...)",
            hint="use --engine pulumi, or unset PULUMI_BACKEND_URL",
        )
    return Path(url.removeprefix("file://")).expanduser()


def load_project(setting: Setting) -> Project:
    """Read the project's file."""
    from flotilla.state.config import Project

    return Project.load(setting.project)
