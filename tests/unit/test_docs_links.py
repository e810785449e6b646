"""Every link in the repository's Markdown files leads to something: a file, a folder, or a heading."""

import re
from collections import Counter
from functools import cache
from urllib.parse import unquote

import pytest

from tests.conftest import REPOSITORY
from tests.docs import headings, inline, links

NOT_OURS = {"build", "dist", "site"}
"""Folders that commands make; hidden ones, as environments, are left out too."""


def pages():
    """Every Markdown file, relative to the repository."""
    found = (path.relative_to(REPOSITORY) for path in REPOSITORY.rglob("*.md"))
    return sorted(
        path for path in found if path.parts[0] not in NOT_OURS and not any(part.startswith(".") for part in path.parts)
    )


@cache
def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found, seen = set(), Counter()
    for _, text in headings(page):
        name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        found.add(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return found


def problem(page, target):
    """Return the problem of a link; None if the link's target exists or is outside of the repository."""
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    path, _, anchor = unquote(target).partition("#")
    if path.startswith("/"):
        return "an absolute path leads nowhere on the site"
    aim = (page.parent / path).resolve() if path else page.resolve()
    if not aim.exists():
        return "there is no such file"
    if not aim.is_relative_to(REPOSITORY):
        return "it leads out of the repository"
    if anchor and anchor not in anchors(aim):
        return f"no heading there has this anchor; there are {', '.join(sorted(anchors(aim)))}"
    return None


@pytest.mark.parametrize("page", pages(), ids=str)
def test_every_link_has_an_existing_target(page):
    file = REPOSITORY / page
    wrong = {target: problem(file, target) for target in links(file)}
    assert {target: reason for target, reason in wrong.items() if reason} == {}


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("nothing.md", "no such file"),
        ("other.md#nowhere", "no heading"),
        ("#nowhere", "no heading"),
        ("/docs/README.md", "absolute"),
        ("../../../../../etc/passwd", "leads out|no such file"),
    ],
)
def test_broken_link_is_reported(tmp_path, monkeypatch, target, reason):
    monkeypatch.setattr("tests.unit.test_docs_links.REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    (tmp_path / "other.md").write_text("# Other `code`, and more\n\n## Twice\n\n## Twice\n")
    assert re.search(reason, problem(page, target))


@pytest.mark.parametrize(
    "target", ["other.md", "other.md#other-code-and-more", "other.md#twice-1", "#page", "https://karmada.io"]
)
def test_working_link_is_not_reported(tmp_path, monkeypatch, target):
    monkeypatch.setattr("tests.unit.test_docs_links.REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# Page\n")
    (tmp_path / "other.md").write_text("# Other `code`, and more\n\n## Twice\n\n## Twice\n")
    assert problem(page, target) is None


def test_text_that_only_looks_like_a_link_is_reported():
    """`[text] (page.md)`, and a link with a blank line in it, are plain text for every Markdown parser."""
    for page in pages():
        texts = [
            child.content for child in inline((REPOSITORY / page).read_text(encoding="utf-8")) if child.type == "text"
        ]
        assert [text for text in texts if re.search(r"\]\s?\([^)\s]+\.md", text)] == [], page
