"""Sphinx's configuration: the site has the repository's Markdown pages as they are. `make docs` builds it.

Pages are written for the repository's own view of Markdown. What the site needs besides is added here: the navigation,
which is the list of docs/README.md, and links to files that are no pages.
"""

from __future__ import annotations

import os
import re
import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from navigation import with_navigation
from repository_links import RepositoryLinks
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

_ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

project = "Flotilla"
author = "Flotilla's maintainers"
version = release = _PROJECT["version"]
root_doc = "README"
include_patterns = ["README.md", "README.*.md", "CHANGELOG.md", "ci/README.md", "docs/**.md"]
exclude_patterns = [".*", "build", "components", "dist", "flotilla", "policies", "site", "stacks", "tests"]
extensions = ["myst_parser"]

myst_heading_anchors = 6  # as the repository's own view has them
myst_links_external_new_tab = False
nitpicky = True
# Code blocks show shortened YAML and terminals, which no lexer accepts: they stay uncoloured.
suppress_warnings = ["misc.highlighting_failure"]

repository_url = os.environ.get("REPOSITORY_URL", "").rstrip("/")
repository_branch = os.environ.get("REPOSITORY_BRANCH", "main")

html_theme = "furo"
html_title = f"Flotilla {version}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options: dict[str, object] = {"navigation_with_keys": True}
if repository_url:
    html_theme_options |= {
        f"source_{kind}_link": f"{repository_url}/{action}/{repository_branch}/{{filename}}"
        for kind, action in (("view", "blob"), ("edit", "edit"))
    }


def _add_navigation(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the pages that list others their navigation."""
    source[0] = with_navigation(docname, source[0], Path(app.srcdir))


def _write_index(app: Sphinx, exception: Exception | None) -> None:
    """Let the site's address lead to its first page, whose name is the repository's."""
    if exception is None and app.builder.format == "html":
        index = '<!doctype html><meta charset="utf-8"><title>Flotilla</title>'
        index += '<meta http-equiv="refresh" content="0; url=README.html"><a href="README.html">Flotilla</a>\n'
        (Path(app.outdir) / "index.html").write_text(index, encoding="utf-8")


def _refuse_requests(app: Sphinx, exception: Exception | None) -> None:
    """Refuse a site that loads anything from elsewhere: readers stay unknown to others, and it works offline."""
    if exception is not None or app.builder.format != "html":
        return
    loads = re.compile(
        r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(?:https?:)?//[^"]*|<link\b[^>]*\bhref="(?:https?:)?//[^"]*'
    )
    for page in sorted(Path(app.outdir).rglob("*.html")):
        if found := loads.search(page.read_text(encoding="utf-8")):
            raise ExtensionError(f"{page.name} loads from another server: {found[0]}")


def setup(app: Sphinx) -> None:
    """Connect the above with Sphinx."""
    app.add_config_value("repository_url", "", "env")
    app.add_config_value("repository_branch", "main", "env")
    app.connect("source-read", _add_navigation)
    app.connect("build-finished", _write_index)
    app.connect("build-finished", _refuse_requests)
    app.add_transform(RepositoryLinks)
