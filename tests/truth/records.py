"""Reads what was gathered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load(file: Path) -> dict[str, Any]:
    """Return a record."""
    return dict(json.loads(file.read_text()))
