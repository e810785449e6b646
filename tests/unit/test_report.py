"""Pictures and reports are well-formed, escaped, self-contained, and readable for hundreds of members."""

import re
from xml.etree.ElementTree import fromstring

import pytest

from flotilla.report.graph import State, fleet_graph
from flotilla.report.html import html
from flotilla.report.svg import svg
from flotilla.report.text import dot, mermaid
from tests.report_samples import EVIL, fleet, pages

SVG = "{http://www.w3.org/2000/svg}"


def test_drawing_is_well_formed_and_has_a_text_description():
    graph = fleet_graph(fleet(), title=f"Fleet {EVIL}")
    root = fromstring(svg(graph))  # noqa: S314 - our own
    assert root.get("role") == "img"
    described = {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")}
    assert set(root.get("aria-labelledby").split()) == described
    assert root.find(f"{SVG}title").text == f"Fleet {EVIL}"
    assert "member001 (0/2 bad)" in root.find(f"{SVG}desc").text
    marks = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "mark"]
    assert sorted(marks) == ["✓", "✓", "✗", "✗"], "a state has a sign, not a colour alone"


def test_hundreds_of_equal_members_are_one_box():
    graph = fleet_graph(fleet(200), title="big")
    assert [(node.label, node.state) for node in graph.members] == [
        ("member000 … member199", State.OK),
        ("member001", State.BAD),
    ]
    assert graph.members[0].detail == "199 members"
    assert [(edge.label, edge.state) for edge in graph.edges] == [("in 199", State.OK), ("0/2", State.BAD)]
    assert "1 workload and 200 members" in graph.description


def test_texts_are_quoted_for_other_formats():
    graph = fleet_graph(fleet(), title=EVIL)
    drawn = mermaid(graph)
    assert drawn.count('-->|"') == 3
    assert "member001<br>cluster is not reachable" in drawn
    assert '"pwned"' not in drawn.split("---")[2]
    text = dot(graph)
    assert text.count(" -> ") == 3
    assert '\\"pwned\\"' in text
    assert len(re.findall(r'(?<!\\)"', text)) % 2 == 0


@pytest.mark.parametrize("name", ["fleet", "plan", "drift"])
def test_html_page_is_one_file_that_loads_nothing(name):
    page = html(pages()[name])
    assert "default-src 'none'" in page
    body = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"""(src|href|action)\s*=|@import|url\(|fetch\(|import\(""", body)
    assert "<script>document" not in page
    assert "hunter" not in page


def test_report_of_a_plan_shows_values_before_and_after():
    page = html(pages()["plan"])
    assert "<del>2</del>" in page
    assert "<ins>5</ins>" in page
    assert "<ins>[secret]</ins>" in page
    assert "&lt;script&gt;" in page


def test_report_of_drift_shows_the_writer_and_the_remedy():
    page = html(pages()["drift"])
    assert "<del>7</del>" in page
    assert "<ins>2</ins>" in page
    assert "last written by kubectl" in page
    assert "flotilla up --refresh" in page
    assert "member002" in page
