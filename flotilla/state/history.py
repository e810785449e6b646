"""A stack's history: for each update its changes, its result, its declaration, and the state after it.

An entry is apitype's UpdateInfo as Pulumi's self-managed backend writes it. Pulumi's CLI stores the configuration of an
update in `config`, with encrypted secrets. The embedded engine stores it under its own key and encrypts it as a whole,
since plain text of a stack file should not appear unencrypted in the backend.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla.errors import EngineError
from flotilla.state.backend import OWN, StackFiles, read_file
from flotilla.state.compression import compressed, unpacked
from flotilla.state.config import StackConfig
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.reading import StateError
from flotilla.state.values import Properties

UPDATE = "update"
SUCCEEDED = "succeeded"
_CONFIG, _BACK_TO = "config", "backTo"
_FORMS = ("", ".gz")
_UNREAD_FORM = ".zst"


@dataclass(frozen=True)
class Update:
    """One entry of the history."""

    number: int
    """The position in the history, counted from 1; it never changes, since entries are never removed."""
    file: Path
    kind: str = ""
    """`update` for an `up`, `refresh`, `destroy`, ..., as in Pulumi."""
    ended: int = 0
    """The end of the update, in seconds since 1970."""
    result: str = ""
    changes: Mapping[str, int] = field(default_factory=dict)
    message: str = ""
    back_to: int = 0
    """The number of the update whose declaration it restored; 0 for an update that is no rollback."""
    config: Properties = field(default_factory=dict)
    """The stack's configuration by key, as Pulumi's CLI stores it; empty if the embedded engine wrote the entry."""
    sealed: str = ""
    """The stack's configuration as the embedded engine stores it, encrypted."""
    problem: str = ""
    """Why the entry can't be read; then only its number and its file are known."""

    @property
    def stamp(self) -> int:
        """The time of the entry, in nanoseconds since 1970."""
        return int(self.file.name.partition(".history.json")[0].rpartition("-")[2])

    @property
    def declares(self) -> bool:
        """Whether the update ran the program; a refresh, for example, did not."""
        return self.kind == UPDATE

    @property
    def good(self) -> bool:
        """Whether the update carried out its whole declaration."""
        return self.declares and self.result == SUCCEEDED

    @property
    def restorable(self) -> bool:
        """Whether its declaration is still stored: its configuration, and the state after it."""
        return bool(self.config or self.sealed) and self.checkpoint() is not None

    @property
    def time(self) -> str:
        """The end of the update, in RFC 3339 and UTC."""
        return dt.datetime.fromtimestamp(self.ended, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def checkpoint(self) -> Path | None:
        """Return the copy of the state after the update; None if it is no longer kept."""
        stem = self.file.name.partition(".history.json")[0]
        named = (self.file.with_name(f"{stem}.checkpoint.json{form}") for form in (*_FORMS, _UNREAD_FORM))
        return next((file for file in named if file.exists()), None)


def updates(files: StackFiles) -> list[Update]:
    """Return a stack's history, the oldest entry first. An entry that can't be read has a `problem`.

    Raises:
        EngineError: the folder of the history can't be read.
    """
    named = re.compile(rf"{re.escape(files.stack)}-(\d+)\.history\.json(?:\.gz|\.zst)?")
    try:
        listed = list(files.history.iterdir()) if files.history.is_dir() else []
    except OSError as error:
        raise EngineError(f"the history can't be read: {error.strerror} ({files.history})") from None
    ordered = sorted((int(found[1]), file) for file in listed if (found := named.fullmatch(file.name)))
    return [_update(number, file) for number, (_, file) in enumerate(ordered, start=1)]


@dataclass(frozen=True)
class BrokenOff:
    """A run after the newest entry that was killed, or that an error of the program ended."""

    back_to: int = 0
    """The number of the update whose declaration it was restoring; 0 for none."""


def broken_off(files: StackFiles, history: list[Update]) -> BrokenOff | None:
    """Return the run of the embedded engine that broke off after the newest entry; None if there was none."""
    try:
        kept = json.loads(read_file(files.begun).decode())
        began, back_to = int(kept["time"]), int(kept["backTo"])
    except FileNotFoundError:
        return None
    except (StateError, ValueError, TypeError, KeyError, RecursionError):
        return BrokenOff()  # the record exists, so a run had certainly begun
    return BrokenOff(back_to) if not history or began > history[-1].stamp else None


def _update(number: int, file: Path) -> Update:
    if file.name.endswith(_UNREAD_FORM):
        return Update(number, file, problem=f"is compressed ({_UNREAD_FORM}), which this engine doesn't read")
    try:
        return _entry(number, file, unpacked(read_file(file)))
    except FileNotFoundError:
        return Update(number, file, problem="is gone")
    except StateError as error:
        return Update(number, file, problem=error.message)


def _entry(number: int, file: Path, data: bytes) -> Update:
    try:
        body = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise StateError("is not JSON, or cut off") from None
    if not isinstance(body, dict) or not all(isinstance(body.get(key), str) for key in ("kind", "result")):
        raise StateError("is not an entry of a history")
    own = body.get(OWN) or {}
    parts: list[tuple[Any, type]] = [
        (body.get("endTime", 0), int),
        (body.get("resourceChanges") or {}, dict),
        (body.get("message") or "", str),
        (body.get("config") or {}, dict),
        (own, dict),
        (own.get(_BACK_TO, 0) if isinstance(own, dict) else 0, int),
        (own.get(_CONFIG, "") if isinstance(own, dict) else "", str),
    ]
    if not all(isinstance(value, kind) for value, kind in parts):
        raise StateError("is not an entry of a history")
    ended, changes, message, config, _, back_to, sealed = (value for value, _ in parts)
    if not 0 <= ended < _LATEST:
        raise StateError("is not an entry of a history: its end is not a valid time")
    return Update(
        number, file, body["kind"], ended, body["result"], changes, message, back_to, config=config, sealed=sealed
    )


_LATEST = 253_402_300_800
"""The start of the year 10000, which timestamps can't represent."""


def own_part(config: StackConfig, crypter: PassphraseCrypter, back_to: int = 0) -> Properties:
    """Return the data that the embedded engine adds to the entry of an update.

    Args:
        config: the configuration of the update.
        crypter: the crypter of the state, which encrypts the configuration.
        back_to: the number of the update whose declaration it restored; 0 for none.
    """
    text = json.dumps({"values": config.values, "salt": config.salt})
    sealed = crypter.encrypt(base64.b64encode(compressed(text)).decode())
    return {_CONFIG: sealed, **({_BACK_TO: back_to} if back_to else {})}


def config_of(update: Update, crypter: PassphraseCrypter) -> StackConfig | None:
    """Return the configuration of an update, with its secrets encrypted; None if it is not stored.

    Args:
        update: an entry.
        crypter: the crypter of the state after the update.

    Raises:
        StateError: the configuration can't be read.
    """
    if not update.sealed:
        return StackConfig(dict(update.config), None) if update.config else None
    try:
        kept = json.loads(gzip.decompress(base64.b64decode(crypter.decrypt(update.sealed))))
        return StackConfig(dict(kept["values"]), kept["salt"])
    except EngineError as error:
        raise StateError(f"has a configuration that can't be read: {error.message}") from None
    except (ValueError, OSError, EOFError, TypeError, KeyError):
        raise StateError("has a configuration that can't be read") from None
