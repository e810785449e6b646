"""Writes a graph as text for other programs: Mermaid (GitHub, GitLab) and DOT (Graphviz)."""

from __future__ import annotations

import json

from flotilla.report.graph import SYMBOLS, Edge, Graph, Node, State
from flotilla.untrusted import one_line

_COLOURS = {
    State.OK: ("#1a7f37", "#dafbe1"),
    State.BAD: ("#cf222e", "#ffebe9"),
    State.WAITING: ("#9a6700", "#fff8c5"),
    State.NEW: ("#1a7f37", "#dafbe1"),
    State.GONE: ("#cf222e", "#ffebe9"),
    State.CHANGED: ("#9a6700", "#fff8c5"),
}


def mermaid(graph: Graph) -> str:
    """Return a flowchart in Mermaid's syntax."""
    ids = {node.id: f"n{index}" for index, node in enumerate((*graph.workloads, *graph.members))}
    lines = ["---", f"title: {json.dumps(_escaped(graph.title), ensure_ascii=False)}", "---", "flowchart LR"]
    lines += [f"  {ids[node.id]}[{_mermaid_label(node)}]:::{node.state}" for node in graph.workloads]
    lines += [f"  {ids[node.id]}([{_mermaid_label(node)}]):::{node.state}" for node in graph.members]
    for edge in graph.edges:
        arrow = "-.->" if edge.state is State.GONE else "-->"
        lines.append(f"  {ids[edge.workload]} {arrow}|{_mermaid_text(_edge_text(edge))}| {ids[edge.member]}")
    for state, (stroke, fill) in _COLOURS.items():
        lines.append(f"  classDef {state} stroke:{stroke},fill:{fill},color:#1f2328")
    return "\n".join(lines) + "\n"


def _mermaid_label(node: Node) -> str:
    lines = [f"{SYMBOLS[node.state]} {node.label}", *([node.detail] if node.detail else [])]
    return '"' + "<br>".join(_escaped(line) for line in lines) + '"'


def _mermaid_text(text: str) -> str:
    """Return a text as a quoted label."""
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Return a text in which characters that Mermaid reads as markup are replaced by their codes."""
    codes = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;"}
    return "".join(codes.get(character, character) for character in one_line(text))


def dot(graph: Graph) -> str:
    """Return a digraph in Graphviz's language."""
    lines = [
        f"digraph {_dot_text(graph.title)} {{",
        "  rankdir=LR;",
        f"  label={_dot_text(graph.title)};",
        '  node [shape=box, style="rounded,filled", fontname="sans-serif"];',
        '  edge [fontname="sans-serif"];',
    ]
    for node in (*graph.workloads, *graph.members):
        stroke, fill = _COLOURS[node.state]
        label = f"{SYMBOLS[node.state]} {node.label}" + (f"\n{node.detail}" if node.detail else "")
        lines.append(f'  {_dot_text(node.id)} [label={_dot_text(label)}, color="{stroke}", fillcolor="{fill}"];')
    for edge in graph.edges:
        style = ", style=dashed" if edge.state is State.GONE else ""
        attributes = f'label={_dot_text(_edge_text(edge))}, color="{_COLOURS[edge.state][0]}"{style}'
        lines.append(f"  {_dot_text(edge.workload)} -> {_dot_text(edge.member)} [{attributes}];")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _edge_text(edge: Edge) -> str:
    return f"{SYMBOLS[edge.state]} {edge.label}".strip()
