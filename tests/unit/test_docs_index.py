"""Every page of the documentation is listed once: decisions by their own first page, all others by docs/README.md."""

import re

import pytest


@pytest.mark.parametrize("folder", ["guides", "reference"])
def test_every_page_has_one_line_in_the_index(repository, folder):
    listed = re.findall(rf"\(({folder}/[^)#]+)\)", (repository / "docs" / "README.md").read_text())
    there = [f"{folder}/{page.name}" for page in (repository / "docs" / folder).glob("*.md")]
    assert sorted(listed) == sorted(there)


def test_every_decision_has_one_line_in_the_list_of_decisions(repository):
    folder = repository / "docs" / "decisions"
    listed = re.findall(r"\(([^)#/]+\.md)\)", (folder / "README.md").read_text())
    assert sorted(listed) == sorted(page.name for page in folder.glob("*.md") if page.name != "README.md")


LAST = ["Also tried", "Measured"]


def test_every_decision_has_the_sections_what_and_why(repository):
    """The sections on alternatives and measurements come last; a page without them omits both."""
    for page in (repository / "docs" / "decisions").glob("*.md"):
        headings = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
        if page.name != "README.md":
            assert headings[0] == "Decided", page.name
            assert "Why" in headings, page.name
            assert [one for one in headings if one in LAST] == headings[
                len(headings) - sum(h in LAST for h in headings) :
            ]
