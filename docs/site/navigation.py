"""The site's navigation: the lists of docs/README.md, so that a new page has one line in one place."""

from __future__ import annotations

import re
from pathlib import Path

INDEX = "docs/README.md"
_HEADING = re.compile(r"^(?:#{2,} (?P<heading>.+)|\*\*(?P<bold>[^*]+)\*\*)$")
_ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<page>[^)#:]+)\.md\)")


def sections(index: str) -> dict[str, list[tuple[str, str]]]:
    """Return the index's sections: heading or bold line -> (title, page) of each entry, the page without its ending."""
    found: dict[str, list[tuple[str, str]]] = {}
    heading = ""
    for line in index.splitlines():
        if match := _HEADING.match(line):
            heading = match["heading"] or match["bold"]
        elif match := _ENTRY.match(line):
            found.setdefault(heading, []).append((match["title"], match["page"]))
    return found


def with_navigation(docname: str, text: str, root: Path) -> str:
    """Return a page's text with the list of the pages below it, in the form of Sphinx, which shows it at the side.

    The repository's first page gets what docs/README.md lists, and what that doesn't list yet; the first page of a
    folder gets what it lists.
    """
    if docname == "README":
        listed = sections((root / INDEX).read_text(encoding="utf-8"))
        parts = [_toctree(caption, [(title, f"docs/{page}") for title, page in listed[caption]]) for caption in listed]
        parts.append(_toctree("More", [("", page) for page in _unlisted(listed, root)]))
        return "\n\n".join([text, *filter(None, parts)])
    if docname.endswith("/README") and f"{docname}.md" != INDEX:
        parts = [
            _toctree("", [entry for entry in entries if "/" not in entry[1]]) for entries in sections(text).values()
        ]
        return "\n\n".join([text, *filter(None, parts)])
    return text


def _unlisted(listed: dict[str, list[tuple[str, str]]], root: Path) -> list[str]:
    """Return the pages that no other page lists; their own headings are their titles."""
    known = {f"docs/{page}" for entries in listed.values() for _, page in entries}
    pages = [*root.glob("docs/*.md"), *root.glob("docs/guides/*.md"), *root.glob("docs/reference/*.md")]
    names = {path.relative_to(root).with_suffix("").as_posix() for path in pages}
    others = [path.stem for path in sorted(root.glob("README.*.md"))]
    return [*sorted(names - known), *others, "ci/README", "CHANGELOG"]


def _toctree(caption: str, pages: list[tuple[str, str]]) -> str:
    if not pages:
        return ""
    options = [":hidden:", ":titlesonly:", *([f":caption: {caption}"] if caption else [])]
    lines = [f"{_upper(title)} <{page}>" if title else page for title, page in pages]
    return "\n".join(["```{toctree}", *options, "", *lines, "```"])


def _upper(title: str) -> str:
    return title[:1].upper() + title[1:]
