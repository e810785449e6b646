"""Terminal output: colours, links, and characters that an encoding doesn't have."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from flotilla.cli import terminal
from flotilla.cli.consoles import SafeConsole, linked
from flotilla.cli.terminal import Colour, coloured, links, prepare, want
from tests.conftest import REPOSITORY

VARIABLES = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_HYPERLINK", "TERM_PROGRAM", "VTE_VERSION")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    for name in (*VARIABLES, "DOMTERM", "KITTY_WINDOW_ID", "KONSOLE_VERSION", "WT_SESSION", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setattr(terminal, "_wanted", {"colour": Colour.AUTO})


@pytest.mark.parametrize(
    ("stream", "environment", "expected"),
    [
        (Terminal, {}, True),
        (io.StringIO, {}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"NO_COLOR": ""}, True),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (Terminal, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal, {"CLICOLOR": "0"}, False),
        (io.StringIO, {"CLICOLOR_FORCE": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "0"}, False),
    ],
)
def test_colours_depend_on_terminal_and_environment(stream, environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured(stream()) is expected


def test_option_overrides_the_environment(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    want(Colour.ALWAYS)
    assert coloured(io.StringIO())
    monkeypatch.setenv("FORCE_COLOR", "1")
    want(Colour.NEVER)
    assert not coloured(Terminal())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"TERM_PROGRAM": "WezTerm"}, True),
        ({"VTE_VERSION": "6800"}, True),
        ({"VTE_VERSION": "4999"}, False),
        ({"VTE_VERSION": "new"}, False),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "dumb", "TERM_PROGRAM": "WezTerm"}, False),
        ({"TERM": "screen", "TERM_PROGRAM": "WezTerm"}, False),
        ({"FORCE_HYPERLINK": "1"}, True),
        ({"FORCE_HYPERLINK": "0", "TERM_PROGRAM": "WezTerm"}, False),
    ],
)
def test_links_are_printed_only_in_terminals_that_are_known_to_support_them(environment, expected, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert links(Terminal()) is expected
    assert not links(io.StringIO())


def test_link_has_the_file_and_its_name_cannot_end_the_link(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM_PROGRAM", "WezTerm")
    console = SafeConsole(file=screen, force_terminal=True, color_system="256")
    console.print(linked(Text("Plan"), Path("/p/a\x1b\\b\x07 ü.yaml")))
    written = screen.getvalue()
    assert written.count("\x1b]8;") == 2
    assert "file:///p/a%1B%5Cb%07%20%C3%BC.yaml" in written
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not linked(Text("Plan"), Path("/p/a.yaml")).spans


def test_characters_that_an_encoding_does_not_have_are_written_in_ascii():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    prepare(stream)
    stream.write("replicas 2 → 4 … ✓ ü")
    stream.flush()
    assert raw.getvalue() == b"replicas 2 -> 4 ... ok \\xfc"


def test_no_output_of_the_command_fails_because_of_its_encoding(tmp_path):
    """A table, an error and a document with characters that ASCII doesn't have, each printed by its own process."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    call = [sys.executable, "-m", "flotilla.cli.main"]
    done = subprocess.run(
        [*call, "status", "--kubeconfig", str(tmp_path / "fehlt-für-alle→.yaml")],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        env=environment,
    )
    assert done.returncode == 1
    assert b"f\\xfcr-alle->.yaml" in done.stderr
    done = subprocess.run(
        [*call, "status", "--json", "--kubeconfig", str(tmp_path / "fehlt-→.yaml")],
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
        env=environment,
    )
    assert "fehlt-→.yaml" in json.loads(done.stdout)["error"]["message"]
