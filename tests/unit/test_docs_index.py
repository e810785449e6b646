"""Every page of the documentation is found from its first page, once."""

import re

import pytest


@pytest.mark.parametrize("folder", ["guides", "reference", "decisions"])
def test_every_page_has_one_line_in_the_index(repository, folder):
    listed = re.findall(rf"\(({folder}/[^)#]+)\)", (repository / "docs" / "README.md").read_text())
    there = [f"{folder}/{page.name}" for page in (repository / "docs" / folder).glob("*.md")]
    assert sorted(listed) == sorted(there)
