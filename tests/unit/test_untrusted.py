"""Printed text of clusters and pull requests: it contains no commands, links or mentions."""

import io
import json
import re
import xml.etree.ElementTree as ET

import pytest
from rich.text import Text

from flotilla.cli.consoles import SafeConsole
from flotilla.cli.documents import complain, write_document
from flotilla.cli.main import _report
from flotilla.cli.output import Output
from flotilla.cli.tables import print_table
from flotilla.drift.findings import DriftReport, Finding, Layer, Unknown
from flotilla.drift.formats import FORMATS
from flotilla.errors import FlotillaError
from flotilla.report.graph import Graph, Node, State
from flotilla.report.svg import svg
from flotilla.report.text import mermaid
from flotilla.untrusted import code_span, json_safe, one_line, printable

HOSTILE = (
    "a`b``c @team <!-- flotilla drift production --> | [x](http://evil) ![y](http://evil) <img src=x onerror=alert(1)>"
    "\n::set-output name=a::b\r\n##[add-mask]x\x1b]8;;http://evil\x07link\x1b]8;;\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\x00\u200b"
)
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")
REPORT = DriftReport(
    (Finding(Layer.PLAN, "object-changed", "karmada", HOSTILE, HOSTILE, "spec.x", HOSTILE, HOSTILE, HOSTILE, "2026"),),
    (Unknown("member2", HOSTILE),),
    ("karmada", "member2"),
    1,
)


def test_text_becomes_one_line_without_control_characters():
    for text in (one_line(HOSTILE), one_line("\n::error::x"), one_line("a\r\nb\tc")):
        assert "\n" not in text
        assert not CONTROL.search(text)
    assert one_line("naïve → 漢字 🚢") == "naïve → 漢字 🚢"


@pytest.mark.parametrize(
    "line", ["::error::x", "   ::set-env name=PATH::/evil", "a\n::stop-commands::x", "a ##[group]b"]
)
def test_no_line_is_a_command_of_a_ci_system(line):
    for text in (printable(line), one_line(line)):
        assert not re.search(r"^\s*::", text, re.MULTILINE)
        assert "##[" not in text


def test_addresses_are_no_commands():
    assert printable("::1 is loopback") == "::1 is loopback"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_no_report_format_has_control_characters(name):
    text = FORMATS[name](REPORT, "dev")
    assert not CONTROL.search(text)
    assert "##[" not in text
    if name != "github":
        assert not re.search(r"^\s*::", text, re.MULTILINE)


def test_there_is_one_workflow_command_per_finding():
    lines = FORMATS["github"](REPORT, "dev").splitlines()
    assert [line.split(" ")[0] for line in lines] == ["::error", "::warning"]


def outside_code(line):
    """Return the parts of a line that Markdown interprets: without code spans, as CommonMark finds them."""
    return re.sub(r"(?<!`)(`+)(?!`)(.*?)(?<!`)\1(?!`)", "", line)


def test_markdown_interprets_no_text_of_clusters():
    text = FORMATS["markdown"](REPORT, "dev")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == 3, "the heading, the line under it, the finding"
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    for line in text.splitlines():
        read = outside_code(line)
        for sign in ("@", "<", "](", "![", "evil"):
            assert sign not in read, line


@pytest.mark.parametrize("text", ["`", "``a`", "a`b", "`a", "", "  ", "a|b", "x" * 1000, "```\n```"])
def test_code_span_can_have_any_text(text):
    span = code_span(text)
    assert outside_code(span) == ""
    assert "\n" not in span
    assert len(span) < 400


def test_junit_is_xml_and_sarif_has_no_links():
    ET.fromstring(FORMATS["junit"](REPORT, "dev"))  # noqa: S314 - made here
    message = json.loads(FORMATS["sarif"](REPORT, "dev"))["runs"][0]["results"][0]["message"]["text"]
    assert "\\[x\\](http://evil)" in message


def test_json_has_the_same_text_without_control_characters(capsys):
    document = {"a": HOSTILE, "##[x]": "##["}
    text = json_safe(json.dumps(document, ensure_ascii=False, indent=2))
    assert json.loads(text) == document
    assert not CONTROL.search(text)
    write_document(document)
    assert "##[" not in capsys.readouterr().out
    write_document(document, as_yaml=True)
    assert not CONTROL.search(capsys.readouterr().out)


def test_console_prints_no_control_characters_with_any_renderer():
    stream = io.StringIO()
    console = SafeConsole(file=stream, width=1000)
    console.print(Text(HOSTILE))
    console.print(HOSTILE, markup=False)
    print_table(console, ("A", "B"), [(HOSTILE, Text(HOSTILE, style="red"))])
    assert not CONTROL.search(stream.getvalue())
    table = stream.getvalue().splitlines()[-1]
    assert table.count("@team") == 2, "a row is a line"


def test_error_lines_begin_with_their_level(capsys):
    class Options:
        debug = True
        json = False

    _report(FlotillaError(HOSTILE, hint="do this"), Options)
    complain(HOSTILE)
    reported = capsys.readouterr().err
    assert not CONTROL.search(reported)
    assert not re.search(r"^\s*::", reported, re.MULTILINE)
    assert "  hint: do this" in reported


def test_progress_has_no_control_characters(capsys):
    Output(as_json=False).say(HOSTILE)
    assert not CONTROL.search(capsys.readouterr().err)


def test_drawings_escape_text():
    graph = Graph(HOSTILE, (Node("w", HOSTILE, State.OK, HOSTILE),), (Node("m", "a", State.BAD),), ())
    ET.fromstring(svg(graph))  # noqa: S314 - made here
    assert "<img" not in mermaid(graph)
