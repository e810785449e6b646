"""Text of others (clusters, pull requests, programs), made safe for where it is printed.

A name of a field manager, an event's message or a condition's reason can hold anything: control characters that a
terminal carries out, line breaks that begin a line of their own, markup, commands of a CI system.
"""

from __future__ import annotations

import json
import re

# C0 and C1 controls and DEL; line and paragraph separators; marks that reorder or hide text (Unicode TR 36 and TR 39).
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_LINE_BREAK = re.compile(r"[\n\t]+")
# GitHub's runner takes a line for a command if it begins so, spaces aside (`::name ...::`), or has `##[` anywhere.
_COMMAND = re.compile(r"^(\s*)::(?=[^\n]*::)", re.MULTILINE)
_OLD_COMMAND = re.compile(r"##(?=\[)")
_LONGEST_CELL = 300


def printable(text: str) -> str:
    """Return a text for a terminal or a log: control characters as escapes, line breaks kept, no CI command in it."""
    safe = _UNSAFE.sub(_escape, text)
    return _OLD_COMMAND.sub("# #", _COMMAND.sub(r"\1: :", safe))


def one_line(text: str) -> str:
    """Return a text as one line, so that nothing in it begins a line of its own."""
    return printable(_LINE_BREAK.sub(" ", text.replace("\r\n", "\n")))


def json_safe(document: str) -> str:
    """Return a JSON document that says the same, without control characters and CI commands in its lines."""
    escaped = re.sub(r"(?!\n)" + _UNSAFE.pattern, lambda found: json.dumps(found[0])[1:-1], document)
    return _OLD_COMMAND.sub(r"#\\u0023", escaped)


def unsafe(text: str) -> bool:
    """Tell whether a text has characters that a terminal would carry out or hide."""
    return _UNSAFE.search(text) is not None


def code_span(text: str) -> str:
    """Return a text as a code span of Markdown, also for a cell of a table: nothing in it is interpreted.

    Source: CommonMark 6.1 (a fence longer than any run of backticks inside; a space beside a backtick), GitHub Flavored
    Markdown 4.10 (a bar in a cell is escaped, within code as well).
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
    """Return a text as a fenced block of Markdown, whose fence is longer than any in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def sarif_text(text: str) -> str:
    """Return a text for a SARIF message, where brackets would make links (SARIF 2.1.0, 3.11.6)."""
    return one_line(text).replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - one byte
