"""Writes one document for machines to standard output, or one line about a problem to standard error.

This module imports nothing that takes long to load: a verb that prints JSON does not need rich's tables.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from flotilla.cli.terminal import writes_every_character
from flotilla.untrusted import json_safe, printable, unsafe

JSON_VERSION = 1


def write_document(document: dict[str, Any], *, as_yaml: bool = False) -> None:
    """Write one document for machines to standard output, with the version of its shape."""
    versioned = {"version": JSON_VERSION, **document}
    if as_yaml:
        import yaml

        plain = json.loads(json.dumps(versioned))  # safe_dump does not accept tuples and enums
        readable = not unsafe(json.dumps(plain, ensure_ascii=False))  # otherwise YAML escapes all special characters
        sys.stdout.write("---\n" + yaml.safe_dump(plain, sort_keys=False, allow_unicode=readable))
    else:
        plain_ascii = not writes_every_character(sys.stdout)  # JSON has its own escapes for other characters
        sys.stdout.write(json_safe(json.dumps(versioned, indent=2, ensure_ascii=plain_ascii)) + "\n")


def complain(text: str, *, kind: str = "error") -> None:
    """Write a text about a problem to standard error; lines after the first one are indented."""
    sys.stderr.write(printable(f"{kind}: {text}".replace("\n", "\n  ")) + "\n")
