"""Writes a report as one HTML file. The page sends no requests, and all values in it are escaped."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from flotilla.report.model import Report
from flotilla.report.svg import svg


def html(report: Report) -> str:
    """Return the page. Its Content-Security-Policy forbids loading anything."""
    drawn = report.graph is not None and (report.graph.members or report.graph.workloads)
    picture = Markup(svg(report.graph)) if drawn and report.graph else ""  # noqa: S704 - made by an XML library
    return _template().render(report=report, picture=picture)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("flotilla.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.lstrip_blocks = True
    return environment.get_template("report.html")
