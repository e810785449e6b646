"""The record of the files written into a project (`.flotilla-init.json`).

With it an upgrade knows which files the user has changed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import FlotillaError
from flotilla.kube.reading import UnreadableFile, read_text
from flotilla.state.config import Project

RECORD = ".flotilla-init.json"
DISTRIBUTION = "flotilla-fleet"
REQUIREMENTS = "requirements.txt"
_FORMAT = 1


def digest(text: str) -> str:
    """Return the SHA-256 of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Record:
    """The files that `init` wrote, or that the last upgrade offered."""

    version: str
    """The version of Flotilla."""
    name: str
    """The project's name."""
    files: dict[str, str]
    """The SHA-256 of each file, by path."""

    def text(self) -> str:
        """Return the text of the record's file."""
        body = {"format": _FORMAT, "flotilla": self.version, "project": self.name, "files": self.files}
        return json.dumps(body, indent=2, sort_keys=True) + "\n"


def read_record(folder: Path) -> Record:
    """Return a project's record.

    A project that `pulumi new` made from the template has none; then all its files count as changed by the user.

    Raises:
        FlotillaError: the folder is not a project of Flotilla, or its record is not valid.
    """
    file = folder / RECORD
    try:
        document = json.loads(read_text(file))
        known = document["format"] == _FORMAT
        record = Record(document["flotilla"], document["project"], document["files"])
        texts = (record.version, record.name, *record.files, *record.files.values())
        valid = known and all(isinstance(text, str) for text in texts)
    except UnreadableFile as error:
        if not error.missing:
            raise
        return _without_record(folder)
    except (ValueError, KeyError, TypeError, AttributeError):
        valid = False
    if not valid:
        raise FlotillaError(f"{file} is not a record of `flotilla init`", hint="restore it, for example with git")
    return record


def _without_record(folder: Path) -> Record:
    try:
        required = read_text(folder / REQUIREMENTS)
    except UnreadableFile:
        required = ""
    if not required.startswith(DISTRIBUTION):
        raise FlotillaError(
            f"{folder} has no {RECORD}, and no {REQUIREMENTS} with {DISTRIBUTION}: it is not a project of Flotilla",
            hint="name the project's folder: flotilla init --upgrade my-fleet",
        )
    return Record("an unknown version", Project.load(folder).name, {})
