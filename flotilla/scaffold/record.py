"""What was written into a project, so that an upgrade knows what its user has changed: `.flotilla-init.json`."""

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
    """What `init` wrote, or the last upgrade offered."""

    version: str
    """Flotilla's."""
    name: str
    """The project's."""
    files: dict[str, str]
    """SHA-256 by path."""

    def text(self) -> str:
        """Return the record as its file has it."""
        body = {"format": _FORMAT, "flotilla": self.version, "project": self.name, "files": self.files}
        return json.dumps(body, indent=2, sort_keys=True) + "\n"


def read_record(folder: Path) -> Record:
    """Read a project's record. What `pulumi new` made of the template has none: all of it counts as changed.

    Raises:
        FlotillaError: it is no project of Flotilla's, or its record can't be understood.
    """
    file = folder / RECORD
    try:
        document = json.loads(read_text(file))
        known = document["format"] == _FORMAT
        record = Record(document["flotilla"], document["project"], document["files"])
        texts = (record.version, record.name, *record.files, *record.files.values())
        sound = known and all(isinstance(text, str) for text in texts)
    except UnreadableFile as error:
        if not error.missing:
            raise
        return _without_record(folder)
    except (ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise FlotillaError(f"{file} is no record of `flotilla init`", hint="restore it, for example by git")
    return record


def _without_record(folder: Path) -> Record:
    try:
        required = read_text(folder / REQUIREMENTS)
    except UnreadableFile:
        required = ""
    if not required.startswith(DISTRIBUTION):
        raise FlotillaError(
            f"{folder} has no {RECORD}, and no {REQUIREMENTS} with {DISTRIBUTION}: it is no project of Flotilla's",
            hint="name the project's folder: flotilla init --upgrade my-fleet",
        )
    return Record("an unknown version", Project.load(folder).name, {})
