"""Writes a new project: either all of its files, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from flotilla import __version__
from flotilla.errors import FlotillaError
from flotilla.scaffold.record import RECORD, Record, digest
from flotilla.scaffold.template_files import name_problem, project_files

_READABLE = 0o755
_ALLOWED = {".git"}


class Refused(FlotillaError):
    """The project can't be written; nothing was written."""


def write_project(folder: Path, name: str) -> list[str]:
    """Write a project into a new folder or an empty one (it may have `.git`), and return the paths of its files.

    Args:
        folder: the project's folder, an absolute path.
        name: the project's name, for Pulumi.

    Raises:
        Refused: the name or the folder is not usable for a project, or a file can't be written.
    """
    problem = name_problem(name)
    if problem:
        raise Refused(f"{name[:60]!r} can't be a project's name: {problem}", hint="give another name with --name")
    _check(folder)
    files = project_files(name)
    record = Record(__version__, name, {path: digest(text) for path, text in files.items()})
    try:
        _write(folder, {**files, RECORD: record.text()})
    except OSError as error:
        raise Refused(f"{folder} can't be written: {error.strerror or error}", hint="choose another folder") from None
    return list(files)


def _check(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise Refused(f"there is no folder {folder.parent}", hint="create it first, or choose another")
    if not os.path.lexists(folder):
        return
    if not folder.is_dir():
        raise Refused(f"{folder} is not a folder", hint="choose another name")
    try:
        there = sorted(entry.name for entry in folder.iterdir() if entry.name not in _ALLOWED)
    except OSError as error:
        raise Refused(f"{folder} can't be read: {error.strerror}", hint="choose another folder") from None
    if RECORD in there:
        raise Refused(f"{folder} has a project of Flotilla already", hint=f"flotilla init --upgrade {folder}")
    if there:
        raise Refused(
            f"{folder} isn't empty: it has {there[0]}", hint="choose a folder that is empty or does not exist"
        )


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write all files to a temporary folder, then move them into place, so that an interruption leaves nothing."""
    was_there = folder.exists()
    partial = Path(tempfile.mkdtemp(dir=folder if was_there else folder.parent, prefix=f".{folder.name}-"))
    moved: list[Path] = []
    try:
        partial.chmod(_READABLE)
        for path, text in files.items():
            file = partial / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        if not was_there:
            partial.rename(folder)
            return
        for entry in sorted(partial.iterdir()):
            entry.rename(folder / entry.name)
            moved.append(folder / entry.name)
        partial.rmdir()
    except BaseException:
        for entry in (*moved, partial):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
        raise
