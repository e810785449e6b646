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
