"""Expressions of the stack file: their syntax, their value for a member, and errors."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla.stack.expressions import LONGEST_TEXT, ExpressionError, Lacking, parse
from tests.unit.fuzzing import fuzz

MEMBER = {
    "name": "frankfurt",
    "region": "eu",
    "zones": ["eu-a", "eu-b"],
    "labels": {"tier": "front", "example.org/team": "shop"},
    "facts": {
        "registry": "r.eu.example:5000",
        "size": 3,
        "spot": False,
        "ratio": 1.5,
        "empty": "",
        "db": {"host": "db.eu", "ports": [5432, 5433]},
        "a b": "spaced",
    },
}

VALUES = [
    ("${member.name}", "frankfurt"),
    ("${ member.region }", "eu"),
    ("${member.zones}", ["eu-a", "eu-b"]),
    ("${member.zones[1]}", "eu-b"),
    ("${member.labels.tier}", "front"),
    ('${member.labels["example.org/team"]}', "shop"),
    ("${member.facts.size}", 3),
    ("${member.facts.spot}", False),
    ("${member.facts.ratio}", 1.5),
    ("${member.facts.db}", {"host": "db.eu", "ports": [5432, 5433]}),
    ("${member.facts.db.ports[0]}", 5432),
    ('${member.facts["a b"]}', "spaced"),
    ("${member.facts.none:-2}", 2),
    ("${member.facts.none:-1.50}", 1.5),
    ("${member.facts.none:-true}", True),
    ('${member.facts.none:-"2"}', "2"),
    ('${member.facts.none:-"a } b"}', "a } b"),
    ("${member.facts.none:-}", ""),
    ("${member.facts.none:-null}", "null"),
    ("${member.facts.none:- a b }", "a b"),
    ("${member.facts.none:-1e999}", "1e999"),
    ("${member.facts.none:-NaN}", "NaN"),
    ("${member.provider:-none}", "none"),
    ("${member.zones[7]:-none}", "none"),
    ("${member.facts.size.deeper:-none}", "none"),
    ("${member.facts.empty:-full}", "full"),
    ("${member.facts.empty}", ""),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_an_expression_that_is_the_whole_value_keeps_its_type(text, expected):
    value = parse(text).value(MEMBER, typed=True)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${member.facts.size}", "3"),
        ("--n=${member.facts.size}", "--n=3"),
        ("${member.facts.spot}", "false"),
        ("${member.name}.${member.region}.example", "frankfurt.eu.example"),
        ("v${member.facts.none:-1.50}", "v1.50"),
        ("${member.facts.none:-007}", "007"),
        ('${member.facts.none:-"x y"}!', "x y!"),
        ("$${HOME} and ${member.name}", "${HOME} and frankfurt"),
        ("$${only}", "${only}"),
        ("$$${member.name}", "$${member.name}"),
        ("costs 5$ in ${member.region}", "costs 5$ in eu"),
    ],
)
def test_expression_within_a_text_becomes_text(text, expected):
    assert parse(text).value(MEMBER, typed=False) == expected


@pytest.mark.parametrize("text", ["", "plain", "$HOME", "$(HOME)", "{{ member.name }}", "}", "$"])
def test_text_without_expressions_is_unchanged(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("${HOME}", "has no expression"),
        ("${member.name", "has no expression"),
        ("${}", "has no expression"),
        ("${member.labels.example.org/team}", "has no expression"),
        ("${member.facts.size + 1}", "has no expression"),
        ("${member.name.upper()}", "has no expression"),
        ("${member.facts[-1]}", "has no expression"),
        ("${member.zones[9999999]}", "has no expression"),
        ("${members.name}", "has no expression"),
        ("${member.facts.a:-${member.name}}", "has an expression in its default"),
        ("${member}", "member is not a property of a member"),
        ("${member.__class__}", "member.__class__ is not a property of a member"),
        ("${member.kubeconfig}", "member.kubeconfig is not a property of a member"),
        ("${member[0]}", "member[0] is not a property of a member"),
        ("${member.facts}", "needs a key"),
        ("${member.labels}", "needs a key"),
        ("${member.name.first}", "name has no parts"),
        ('${member.facts["\\ud800"]}', "key that is not a text"),
        ('${member.facts["\\x"]}', "key that is not a text"),
    ],
)
def test_invalid_expression_is_refused_with_the_remedy(text, what):
    """No calls, no attributes of objects, and only the properties of a member that expressions may use."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert what in caught.value.rule
    assert caught.value.remedy


def test_default_is_a_literal_text():
    assert parse("${member.facts.none:-$x}").value(MEMBER, typed=False) == "$x"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("v${member.facts.ratio}", "is the number 1.5"),
        ("v${member.zones}", "is a list"),
        ("v${member.facts.db}", "is a mapping"),
    ],
)
def test_ambiguous_text_is_refused(text, what):
    """YAML reads 1.10 as the number 1.1, so the intended text is lost."""
    with pytest.raises(ExpressionError, match=what) as caught:
        parse(text).value(MEMBER, typed=True)
    assert not isinstance(caught.value, Lacking)


def test_missing_property_of_a_member_is_named_without_the_surrounding_text():
    with pytest.raises(Lacking) as caught:
        parse("hunter2 ${member.facts.none}").value(MEMBER, typed=False)
    assert caught.value.expression == "${member.facts.none}"
    assert "hunter2" not in str(caught.value) + caught.value.remedy


def test_length_of_the_result_is_bounded():
    long = {**MEMBER, "facts": {"long": "x" * (LONGEST_TEXT // 2)}}
    assert len(parse("${member.facts.long}${member.facts.long}").value(long, typed=False)) == LONGEST_TEXT
    for text in ("${member.facts.long}${member.facts.long}!", "$${" + "x" * LONGEST_TEXT):
        with pytest.raises(ExpressionError, match="more than"):
            parse(text).value(long, typed=False)


@pytest.mark.parametrize(
    "text",
    [
        "${member.a" * 50_000,
        "${member.facts.a:-" + " " * 200_000,
        "${member.facts.a:-" + '"' * 200_001,
        "${member" + '["a"]' * 50_000,
        "${" + " " * 200_000,
        "$" * 200_000 + "{",
        '${member.facts["' + "\\" * 200_001,
        "${member.facts.a:-" + "[" * 200_000 + "}",
        "${member.facts.a:-" + "9" * 200_000 + "}",
    ],
)
def test_no_text_takes_long_to_evaluate(text):
    """A pattern with quadratic run time would take minutes for these texts."""
    begun = time.process_time()
    try:
        template = parse(text)
        assert template is None or template.value(MEMBER, typed=True) is not None
    except ExpressionError:
        pass
    assert time.process_time() - begun < 2


@fuzz(examples=300)
@given(st.text(alphabet='${}[]":-.\\ member.facts.size09\n', max_size=40), st.booleans())
def test_any_text_is_a_value_or_refused(text, typed):
    try:
        template = parse("${member." + text)
        value = template.value(MEMBER, typed=typed)
    except ExpressionError:
        return
    json.dumps(value, allow_nan=False).encode()
    assert typed or isinstance(value, str)
