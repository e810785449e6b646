"""Escapes untrusted text (from clusters, pull requests and programs) for the place where it is printed.

The name of a field manager, the message of an event or the reason of a condition can contain anything: control
characters that a terminal interprets, line breaks that start a new line, markup, commands of a CI system.
"""

from __future__ import annotations

import json
import re

# C0 and C1 controls and DEL; line and paragraph separators; marks that reorder or hide text (Unicode TR 36, TR 39).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile(r"[\n\t]+")
# GitHub's runner reads a line as a command if it starts with `::name ...::` (after spaces) or contains `##[`.
_COMMAND = re.compile(r"^(\s*)::(?=[^\n]*::)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\[)")
_LONGEST_CELL = 300


def printable(text: str) -> str:
    """Return a text for a terminal or a log: control characters escaped, line breaks kept, CI commands broken up."""
    safe = _UNSAFE.sub(_escape, text)
    return _OLD_COMMAND.sub("# #", _COMMAND.sub(r"\1: :", safe))


def one_line(text: str) -> str:
    """Return a text as one line, so that no part of it starts a new line."""
    return printable(_LINE_BREAK.sub(" ", text.replace("\r\n", "\n")))


def json_safe(document: str) -> str:
    """Return an equal JSON document without control characters and CI commands in its lines."""
    escaped = re.sub(r"(?!\n)" + _UNSAFE.pattern, lambda found: json.dumps(found[0])[1:-1], document)
    return _OLD_COMMAND.sub(r"#\\u0023", escaped)


def unsafe(text: str) -> bool:
    """Return whether a text has characters that a terminal would interpret or hide."""
    return _UNSAFE.search(text) is not None


def code_span(text: str) -> str:
    """Return a text as a code span of Markdown, safe in a table cell as well: no markup in it is interpreted.

    Source: CommonMark 6.1 (the fence is longer than any run of backticks inside; a space follows a backtick), GitHub
    Flavored Markdown 4.10 (a bar in a cell is escaped, within code as well).
    """
    safe = one_line(text).strip()
    if not safe:
        return ""
    safe = safe if len(safe) <= _LONGEST_CELL else safe[: _LONGEST_CELL - 1] + "…"
    longest = max((len(run) for run in re.findall("`+", safe)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if safe[0] == "`" or safe[-1] == "`" else ""
    return f"{fence}{padding}{safe}{padding}{fence}".replace("|", "\\|")


def fenced(text: str, language: str = "text") -> str:
    """Return a text as a fenced code block of Markdown, with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def sarif_text(text: str) -> str:
    """Return a text for a SARIF message, in which brackets would be read as links (SARIF 2.1.0, 3.11.6)."""
    return one_line(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
