"""What both engines can do, and where a stack is."""

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
    """Which engine runs the program."""

    AUTO = "auto"
    PULUMI = "pulumi"
    EMBEDDED = "embedded"


class Stack(Protocol):
    """One stack, on one engine. Failures of resources are in the result; everything else raises FlotillaError."""

    engine: EngineName

    def preview(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False) -> Result:
        """Say what `up` would do; the result's `digest` stands for exactly this plan."""
        ...

    def up(self, *, targets: tuple[str, ...] = (), refresh_first: bool = False, plan: Result | None = None) -> Result:
        """Make it so; with a plan that was shown nothing but that."""
        ...

    def refresh(self, *, preview_only: bool = False) -> Result:
        """Take what the clusters hold into the state, or only say what differs."""
        ...

    def destroy(
        self, *, targets: tuple[str, ...] = (), preview_only: bool = False, plan: Result | None = None
    ) -> Result:
        """Delete everything, or only say what that is; with a plan that was shown nothing but that."""
        ...

    def snapshot(self) -> Snapshot:
        """Return the state as it is, secrets readable."""
        ...


@dataclass(frozen=True)
class Setting:
    """Where a stack is and how its runs report."""

    project: Path
    stack: str
    listener: Listener = lambda _: None
    report: Callable[[str], None] = lambda _: None
    program: Program | None = None
    config_file: Path | None = None
    """Another file than the stack's own: what a change of it would do, before it is made."""
    adopt: Adoption = NOTHING
    """What is taken over where it exists already."""
    back_to: int = 0
    """The update whose declaration the configuration file restores; 0 for none."""
    read_only: bool = False
    """Nothing is written anywhere, not even what a first preview makes: the passphrase, the CLI's entry of a stack."""

    @property
    def stack_file(self) -> Path:
        """Where the stack's configuration is."""
        return self.config_file or load_project(self).stack_file(self.stack)

    @property
    def state_folder(self) -> Path:
        """The default backend's folder, in the checkout and ignored by git."""
        return self.project / ".flotilla" / "state"

    def backend_url(self) -> str:
        """Return the backend: the user's, else the default folder."""
        return os.environ.get("PULUMI_BACKEND_URL") or f"file://{self.state_folder}"


def backend_folder(url: str) -> Path:
    """Return the folder of a `file://` backend.

    Raises:
        EngineError: it is of another kind.
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
