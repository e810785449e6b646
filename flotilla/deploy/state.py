"""A stack's state itself, apart from what it describes."""

from __future__ import annotations

from flotilla.deploy.interface import Setting, backend_folder, load_project
from flotilla.state.backend import StackFiles


def remove_stack(setting: Setting) -> None:
    """Remove a stack's state from the default backend; what it describes is taken to be gone already.

    Only the default backend: one that the user has named is theirs.
    """
    folder = backend_folder(f"file://{setting.state_folder}")
    StackFiles(folder, load_project(setting).name, setting.stack).remove()
