"""Draws a graph as SVG: workloads on the left, members on the right; for light and dark mode and screen readers."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement, tostring

from flotilla.report.graph import SYMBOLS, Edge, Graph, Node
from flotilla.untrusted import one_line

_WIDTH = 520  # fits the width of a phone, with letters of 9 pixels
_BOX_WIDTH = 184
_BOX_HEIGHT = 46
_GAP = 14
_MARGIN = 16
_TITLE_HEIGHT = 34
_LONGEST = 20
_LETTER_WIDTH = 8
_FARTHEST, _NEAREST, _STEP = 0.8, 0.2, 0.2
_RIGHT = _WIDTH - _MARGIN - _BOX_WIDTH

STYLE = """
.map{--ink:#1f2328;--quiet:#59636e;--paper:#ffffff;--ok:#1a7f37;--bad:#cf222e;--warn:#9a6700;--line:#d1d9e0}
@media (prefers-color-scheme:dark){
.map{--ink:#f0f6fc;--quiet:#9198a1;--paper:#0d1117;--ok:#3fb950;--bad:#f85149;--warn:#d29922;--line:#3d444d}}
.map{font-family:system-ui,sans-serif;background:var(--paper)}
.map text{fill:var(--ink);font-size:13px}
.map .quiet{fill:var(--quiet);font-size:11px}
.map .title{font-size:15px;font-weight:600}
.map rect{fill:var(--paper);stroke:var(--line);stroke-width:1.5}
.map path{fill:none;stroke:var(--line);stroke-width:1.5}
.map .ok rect,.map .new rect,.map path.ok,.map path.new{stroke:var(--ok)}
.map .bad rect,.map .gone rect,.map path.bad,.map path.gone{stroke:var(--bad)}
.map .waiting rect,.map .changed rect,.map path.waiting,.map path.changed{stroke:var(--warn)}
.map path.gone,.map .gone rect{stroke-dasharray:5 4}
.map text.mark{font-weight:700}
.map .ok .mark,.map .new .mark,.map text.ok,.map text.new{fill:var(--ok)}
.map .bad .mark,.map .gone .mark,.map text.bad,.map text.gone{fill:var(--bad)}
.map .waiting .mark,.map .changed .mark,.map text.waiting,.map text.changed{fill:var(--warn)}
.map text.share{font-size:11px}
.map rect.plate{stroke:none}
"""


@dataclass(frozen=True)
class _Place:
    x: int
    y: int

    @property
    def middle(self) -> int:
        return self.y + _BOX_HEIGHT // 2


def svg(graph: Graph) -> str:
    """Return a drawing with its own style, which loads nothing."""
    rows = max(len(graph.workloads), len(graph.members), 1)
    height = _TITLE_HEIGHT + rows * (_BOX_HEIGHT + _GAP) + _MARGIN
    root = Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "class": "map",
            "role": "img",
            "aria-labelledby": "map-title map-text",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": "100%",
            "style": f"max-width:{_WIDTH}px",
        },
    )
    SubElement(root, "title", {"id": "map-title"}).text = one_line(graph.title)
    SubElement(root, "desc", {"id": "map-text"}).text = one_line(graph.description)
    SubElement(root, "style").text = STYLE
    heading = SubElement(root, "text", {"class": "title", "x": str(_MARGIN), "y": str(_MARGIN + 6)})
    heading.text = one_line(graph.title)
    places = _column(graph.workloads, _MARGIN, rows) | _column(graph.members, _RIGHT, rows)
    for edge in graph.edges:
        _draw_line(root, edge, places)
    for node in (*graph.workloads, *graph.members):
        _draw_box(root, node, places[node.id])
    for edge in graph.edges:
        _draw_share(root, edge, places, _beside(graph, edge))
    return tostring(root, encoding="unicode") + "\n"


def _column(nodes: tuple[Node, ...], x: int, rows: int) -> dict[str, _Place]:
    """Return the places of nodes: one below the other, centred in the drawing's height."""
    top = _TITLE_HEIGHT + (rows - len(nodes)) * (_BOX_HEIGHT + _GAP) // 2
    return {node.id: _Place(x, top + index * (_BOX_HEIGHT + _GAP)) for index, node in enumerate(nodes)}


def _draw_box(root: Element, node: Node, place: _Place) -> None:
    group = SubElement(root, "g", {"class": str(node.state)})
    SubElement(group, "title").text = one_line(f"{node.label}: {node.detail or node.state}")
    size = {"width": str(_BOX_WIDTH), "height": str(_BOX_HEIGHT), "rx": "7"}
    SubElement(group, "rect", {"x": str(place.x), "y": str(place.y), **size})
    _text(group, place.x + 12, place.y + 20, SYMBOLS[node.state], "mark")
    _text(group, place.x + 30, place.y + 20, _cut(node.label), "")
    _text(group, place.x + 30, place.y + 36, _cut(node.detail, _LONGEST + 5), "quiet")


def _draw_line(root: Element, edge: Edge, places: dict[str, _Place]) -> None:
    start, end = places[edge.workload], places[edge.member]
    x1, x2 = start.x + _BOX_WIDTH, end.x
    bend = (x2 - x1) // 2
    curve = f"M{x1} {start.middle} C{x1 + bend} {start.middle} {x2 - bend} {end.middle} {x2} {end.middle}"
    SubElement(root, "path", {"class": str(edge.state), "d": curve})


def _beside(graph: Graph, edge: Edge) -> int:
    """Return the number of lines to the same member that are drawn before this one."""
    ending = [other for other in graph.edges if other.member == edge.member]
    return ending.index(edge)


def _draw_share(root: Element, edge: Edge, places: dict[str, _Place], before: int) -> None:
    """Write the copy's state on a line. Each further line to the same member has it nearer to the workload."""
    start, end = places[edge.workload], places[edge.member]
    part = max(_NEAREST, _FARTHEST - _STEP * before)
    x = start.x + _BOX_WIDTH + round(part * (end.x - start.x - _BOX_WIDTH))
    smooth = part * part * (3 - 2 * part)  # the vertical position on a curve with horizontal ends
    y = start.middle + round(smooth * (end.middle - start.middle))
    label = f"{SYMBOLS[edge.state]} {edge.label}".strip()
    width = _LETTER_WIDTH * len(label)
    plate = {"x": str(x - width // 2), "y": str(y - 8), "width": str(width), "height": "16"}
    SubElement(root, "rect", {"class": "plate", **plate})
    text = _text(root, x, y + 4, label, f"share {edge.state}")
    text.set("text-anchor", "middle")


def _text(parent: Element, x: int, y: int, content: str, style: str) -> Element:
    element = SubElement(parent, "text", {"x": str(x), "y": str(y), **({"class": style} if style else {})})
    element.text = one_line(content)  # control characters are not valid in XML
    return element


def _cut(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
