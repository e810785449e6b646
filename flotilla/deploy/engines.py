"""Chooses the engine of a run."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from flotilla.deploy.embedded import embedded_stack, opens_embedded
from flotilla.deploy.interface import EngineName, Setting, Stack
from flotilla.errors import EngineError


def open_stack(engine: EngineName, setting: Setting) -> Stack:
    """Return a stack on the engine that is asked for; `auto` takes Pulumi's CLI where all of it is installed.

    An earlier declaration is restored by the embedded engine alone. What exists is adopted by it: `auto` takes it for
    such a run wherever it can open the stack, and the CLI for the state where it can't.

    Raises:
        EngineError: the engine isn't there, or can't use the stack's backend.
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
    """Return what of Pulumi isn't installed: its CLI, or the host that runs Python programs."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "bin"
    path = f"{os.environ.get('PATH', '')}{os.pathsep}{home}"
    return [name for name in ("pulumi", "pulumi-language-python") if shutil.which(name, path=path) is None]
