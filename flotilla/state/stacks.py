"""Lists a project's stacks: those that have a state, and those that only have a stack file."""

from __future__ import annotations

from flotilla.errors import EngineError
from flotilla.stack.stack_names import is_stack_name
from flotilla.state.backend import StackFiles
from flotilla.state.config import Project


def known_stacks(files: StackFiles, project: Project) -> list[str]:
    """Return the names of a project's stacks, from their states and their files."""
    named = {file.stem.removeprefix("Pulumi.") for file in project.config_folder.glob("Pulumi.*.yaml")}
    stored = {file.stem for file in files.checkpoint.parent.glob("*.json") if is_stack_name(file.stem)}
    return sorted(named | {name for name in stored if not name.startswith(".")})


def refuse_unknown(files: StackFiles, project: Project, *, new: bool = False) -> None:
    """Refuse a stack that has neither a state nor a stack file, since its name is probably mistyped.

    Args:
        files: the stack's files.
        project: the stack's project.
        new: whether the stack may be created without a stack file, by a program or a configuration that is given.

    Raises:
        EngineError: the stack does not exist; the hint lists the existing ones.
    """
    if not is_stack_name(files.stack):
        raise EngineError(
            f"{files.stack!r} is not a stack's name: letters, digits, '-', '_' and '.', 100 at most",
            hint="nothing was changed",
        )
    if new or project.stack_file(files.stack).exists() or files.exists():
        return
    known = ", ".join(known_stacks(files, project)) or "none yet"
    raise EngineError(
        f"there is no stack {files.stack}: neither {project.stack_file(files.stack)} nor a state of it exists",
        hint=f"stacks that exist: {known}; nothing was changed",
    )
