"""What verbs write without a console: one document for machines, one line about what went wrong.

Nothing that takes long to load is imported before it is needed: a verb that prints JSON needs no tables.
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

        plain = json.loads(json.dumps(versioned))  # tuples and enums are no YAML
        readable = not unsafe(json.dumps(plain, ensure_ascii=False))  # else every special character is escaped
        sys.stdout.write("---\n" + yaml.safe_dump(plain, sort_keys=False, allow_unicode=readable))
    else:
        plain_ascii = not writes_every_character(sys.stdout)  # escapes of JSON, not of the terminal
        sys.stdout.write(json_safe(json.dumps(versioned, indent=2, ensure_ascii=plain_ascii)) + "\n")


def complain(text: str, *, kind: str = "error") -> None:
    """Write one line about something that went wrong to standard error; what follows its first line is indented."""
    sys.stderr.write(printable(f"{kind}: {text}".replace("\n", "\n  ")) + "\n")
