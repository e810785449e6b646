"""The audit log: one line of JSON for every call of a tool that was done, refused or failed."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla.kube.secrecy import masked, redacted

_LONGEST = 200


@dataclass(frozen=True)
class AuditLog:
    """A file to which lines are only added. Only its owner may read it."""

    file: Path
    _lock: threading.Lock = field(default_factory=threading.Lock, compare=False, repr=False)

    def record(self, tool: str, arguments: dict[str, Any], *, outcome: str, seconds: float, **more: Any) -> None:
        """Add a call. The line is on disk when this method returns, which is before the answer is sent.

        Args:
            tool: the tool's name.
            arguments: the arguments; of long texts only the length and a hash are written, as they may have secrets.
            outcome: done, refused or failed.
            seconds: the duration.
            more: other fields, such as the caller or the error.
        """
        entry = {
            "time": dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"),
            "tool": tool,
            "arguments": _short(masked(arguments)),
            "outcome": outcome,
            "seconds": round(seconds, 3),
            **{key: value for key, value in more.items() if value},
        }
        line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        with self._lock:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(descriptor, "a") as stream:
                stream.write(line)
                stream.flush()
                os.fsync(stream.fileno())


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _short(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_short(entry) for entry in value[:50]]
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"[{len(value)} characters, sha256 {hashlib.sha256(value.encode()).hexdigest()[:16]}]"
    return redacted(value) if isinstance(value, str) else value
