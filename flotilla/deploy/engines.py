"""Chooses the engine of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from flotilla.deploy.embedded import embedded_stack, opens_embedded
from flotilla.deploy.interface import EngineName, Setting, Stack
from flotilla.errors import EngineError


def open_stack(engine: EngineName, setting: Setting) -> Stack:
    """Return a stack on the requested engine; `auto` uses Pulumi's CLI if all of it is installed.

    Only the embedded engine can restore an earlier declaration and adopt existing objects. For an adoption, `auto`
    uses the embedded engine if that can open the stack. Otherwise the CLI exports and imports the state.

    Raises:
        EngineError: the engine isn't installed, or can't use the stack's backend.
    """
    if setting.back_to:
        return embedded_stack(setting)
    if setting.adopt.asked and engine is EngineName.AUTO and opens_embedded(setting):
        return embedded_stack(setting)
    missing = missing_for_cli()
    if engine is EngineName.PULUMI and missing:
        raise EngineError(
            f"--engine pulumi needs {', '.join(missing)} on the PATH", hint="install Pulumi, or use --engine embedded"
        )
    if engine is EngineName.PULUMI or (engine is EngineName.AUTO and not missing):
        # The SDK's automation API takes long to import.
        from flotilla.deploy.adopting_cli import AdoptingPulumiStack
        from flotilla.deploy.pulumi_cli import PulumiStack

        return AdoptingPulumiStack(setting) if setting.adopt.asked else PulumiStack(setting)
    return embedded_stack(setting)


def missing_for_cli() -> list[str]:
    """Return the missing programs of Pulumi: its CLI, or the host that runs Python programs."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "bin"
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{home}"
    return [name for name in ("pulumi", "pulumi-language-python") if shutil.which(name, path=path) is None]
