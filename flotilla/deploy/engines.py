"""Chooses the engine of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from flotilla.deploy.embedded import embedded_stack
from flotilla.deploy.interface import EngineName, Setting, Stack
from flotilla.errors import EngineError

_ONCE = (
    "run it once with `--engine embedded --adopt`; both engines have one state, and Pulumi's CLI goes on with it after"
)


def open_stack(engine: EngineName, setting: Setting) -> Stack:
    """Return a stack on the engine that is asked for; `auto` takes Pulumi's CLI where all of it is installed.

    What exists is adopted by the embedded engine alone: `auto` takes it for such a run, whatever is installed.

    Raises:
        EngineError: the engine isn't there, can't use the stack's backend, or can't adopt.
    """
    if setting.adopt.asked:
        if engine is EngineName.PULUMI:
            raise EngineError("Pulumi's CLI adopts nothing: --adopt and --engine pulumi exclude each other", hint=_ONCE)
        return embedded_stack(setting)
    missing = missing_for_cli()
    if engine is EngineName.PULUMI and missing:
        raise EngineError(
            f"--engine pulumi needs {', '.join(missing)} on the PATH", hint="install Pulumi, or use --engine embedded"
        )
    if engine is EngineName.PULUMI or (engine is EngineName.AUTO and not missing):
        from flotilla.deploy.pulumi_cli import PulumiStack  # the SDK's automation API takes long to import

        return PulumiStack(setting)
    return embedded_stack(setting)


def missing_for_cli() -> list[str]:
    """Return what of Pulumi isn't installed: its CLI, or the host that runs Python programs."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "bin"
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{home}"
    return [name for name in ("pulumi", "pulumi-language-python") if shutil.which(name, path=path) is None]
