"""Counts have a noun in the right number. Regression: `valid: 3 members, 1 workloads`."""

import ast

import pytest

from flotilla.counts import counted, first_of, names_of

FOLDERS = ("flotilla", "components", "policies/rules")
UPSTREAM = {
    "flotilla/karmada/scheduling/decision.py": "Karmada's own text",
    "flotilla/karmada/scheduling/spread.py": "Karmada's own text",
}
PLURALS = {
    *("bytes", "characters", "clusters", "completions", "copies", "days", "documents", "entries", "findings", "levels"),
    *("manifests", "members", "nodes", "objects", "operations", "pods", "problems", "replicas", "resources", "things"),
    *("values", "Works", "workloads"),
}
BOUNDS = ("MAX_", "MOST_", "_LARGEST", "_LONGEST", "_LEAST")
"""Constants of limits, all above one, whose nouns are plural whatever is counted."""
LONG = ("len(text) characters", "len(value) characters", "size characters")
"""Texts that are cut, refused or hashed because of their length."""


@pytest.mark.parametrize(
    ("count", "noun", "plural", "text"),
    [
        (0, "member", "", "0 members"),
        (1, "member", "", "1 member"),
        (2, "member", "", "2 members"),
        (1, "copy", "copies", "1 copy"),
        (3, "copy", "copies", "3 copies"),
    ],
)
def test_count_has_its_noun_in_the_right_number(count, noun, plural, text):
    assert counted(count, noun, plural) == text


def plurals_in(node):
    """Yield the values of an f-string that are followed by a noun in the plural."""
    for value, text in zip(node.values, node.values[1:], strict=False):
        if isinstance(value, ast.FormattedValue) and isinstance(text, ast.Constant):
            word = str(text.value).removeprefix(" ").partition(" ")[0].strip(".,;:()\n")
            if str(text.value).startswith(" ") and word in PLURALS:
                yield f"{ast.unparse(value.value)} {word}"


def test_no_message_has_a_plural_noun_after_a_count(repository):
    """A new f-string such as `{count} members` would print `1 members`: it must use `counted`."""
    found = []
    for file in (file for folder in FOLDERS for file in (repository / folder).rglob("*.py")):
        name = str(file.relative_to(repository))
        if name in UPSTREAM:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                found += [f"{name}: {one}" for one in plurals_in(node) if not any(b in one for b in (*BOUNDS, *LONG))]
    assert found == []


@pytest.mark.parametrize(
    ("texts", "listed", "line"),
    [
        ([], [], ""),
        (["a"], ["a"], "a"),
        (["a", "b"], ["a", "b"], "a, b"),
        (["a", "b", "c", "d"], ["a", "b", "and 2 more"], "a, b and 2 more"),
    ],
)
def test_long_lists_are_shortened_with_a_count(texts, listed, line):
    assert first_of(texts, 2) == listed
    assert names_of(texts, 2) == line
