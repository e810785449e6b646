"""The Chinese pages have the same commands, headings and links as the English ones."""

import re

import pytest

from tests.docs import REPOSITORY, blocks, headings, links

PAIRS = [("README.md", "README.zh-CN.md"), ("docs/tutorial.md", "docs/tutorial.zh-CN.md")]
pairs = pytest.mark.parametrize(("english", "chinese"), PAIRS)


def without_comments(block):
    """Return the lines of a block without comments, which are translated."""
    lines = [re.sub(r"(^|\s)#(\s.*|$)", "", line).rstrip() for line in block.text.splitlines()]
    return block.language, block.test, [line for line in lines if line]


@pairs
def test_code_blocks_are_equal_except_for_comments(english, chinese):
    first, second = ([without_comments(block) for block in blocks(REPOSITORY / page)] for page in (english, chinese))
    assert second == first


@pairs
def test_headings_have_the_same_levels(english, chinese):
    first, second = ([level for level, _ in headings(REPOSITORY / page)] for page in (english, chinese))
    assert second == first


@pairs
def test_links_have_the_same_targets_except_for_the_language(english, chinese):
    """A page that exists in Chinese is linked in Chinese; anchors are those of its own headings."""

    def targets(page):
        found = sorted(link.partition("#")[0] for link in links(REPOSITORY / page))
        return sorted(link.replace(".zh-CN.md", ".md") for link in found if link)

    assert targets(chinese) == targets(english)


@pairs
def test_each_page_links_to_the_other_language_at_its_top(english, chinese):
    for page, other in ((english, chinese), (chinese, english)):
        top = "\n".join((REPOSITORY / page).read_text().splitlines()[:8])
        assert f"({other.rpartition('/')[2]})" in top, page
