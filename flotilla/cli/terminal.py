"""What a terminal can show and what the user wants it to show: colours, links, characters.

Every run of the command imports this module, so it imports nothing that takes long to load.
"""

from __future__ import annotations

import codecs
import os
import sys
from enum import StrEnum
from typing import TextIO


class Colour(StrEnum):
    """The values of `--color`."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


_PLAIN = {"→": "->", "…": "...", "✓": "ok", "✗": "x", "·": "*", "—": "-"}
"""Replacements for the command's own characters, used if the output's encoding lacks them."""
_ERRORS = "flotilla-plain"
_LINKING_PROGRAMS = frozenset({"Hyper", "iTerm.app", "WezTerm", "ghostty", "rio", "vscode", "zed"})
"""Values of TERM_PROGRAM whose terminals show links."""
_LINKING_TERMS = ("alacritty", "contour", "foot", "xterm-ghostty", "xterm-kitty", "wezterm")
_LINKING_MARKS = ("DOMTERM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION")
_VTE_WITH_LINKS = 5000
_WITHOUT_LINKS = ("dumb", "linux", "screen")

_wanted = {"colour": Colour.AUTO}


def want(colour: Colour) -> None:
    """Set the value of `--color` for the whole run."""
    _wanted["colour"] = colour


def coloured(stream: TextIO) -> bool:
    """Return whether the text written to a stream may have colours.

    `--color` has precedence over the environment, and NO_COLOR (no-color.org) over FORCE_COLOR (force-color.org),
    CLICOLOR_FORCE and CLICOLOR (bixense.com/clicolors). By default a terminal gets colours, unless TERM is `dumb`.
    """
    if _wanted["colour"] is not Colour.AUTO:
        return _wanted["colour"] is Colour.ALWAYS
    environment = os.environ
    if environment.get("NO_COLOR"):
        return False
    if any(environment.get(name, "") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return environment.get("CLICOLOR") != "0" and moves(stream)


def moves(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose lines can be overwritten."""
    return stream.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def links(stream: TextIO) -> bool:
    """Return whether a stream is a terminal that shows links (OSC 8). FORCE_HYPERLINK decides where it is set."""
    environment = os.environ
    if not moves(stream):
        return False
    if environment.get("FORCE_HYPERLINK"):
        return environment["FORCE_HYPERLINK"] != "0"
    term, vte = environment.get("TERM", ""), environment.get("VTE_VERSION", "")
    if term.startswith(_WITHOUT_LINKS):
        return False
    return (
        any(environment.get(name) for name in _LINKING_MARKS)
        or environment.get("TERM_PROGRAM") in _LINKING_PROGRAMS
        or term.startswith(_LINKING_TERMS)
        or (vte.isdecimal() and int(vte) >= _VTE_WITH_LINKS)
    )


def writes_every_character(stream: TextIO) -> bool:
    """Return whether a stream's encoding has all Unicode characters."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "").startswith("utf")


def prepare(*streams: TextIO) -> None:
    """Make streams with another encoding than UTF-8 accept any text: characters they lack are replaced by ASCII."""
    codecs.register_error(_ERRORS, _in_ascii)
    for stream in streams or (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None and not writes_every_character(stream):
            reconfigure(errors=_ERRORS)


def _in_ascii(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    texts = (_PLAIN.get(char) or char.encode("ascii", "backslashreplace").decode() for char in _within(error))
    return "".join(texts), error.end


def _within(error: UnicodeEncodeError) -> str:
    return error.object[error.start : error.end]
