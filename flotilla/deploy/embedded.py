"""The embedded engine behind the common interface."""

from __future__ import annotations

from flotilla.deploy.interface import EngineName, Setting, Stack, backend_folder, load_project
from flotilla.engine.stack import EmbeddedStack


class _Embedded(EmbeddedStack):
    engine = EngineName.EMBEDDED


def embedded_stack(setting: Setting) -> Stack:
    """Return a stack on the embedded engine."""
    return _Embedded(
        project=load_project(setting),
        name=setting.stack,
        backend=backend_folder(setting.backend_url()),
        tell=setting.tell,
        listener=setting.listener,
        program=setting.program,
        config_file=setting.config_file,
    )
