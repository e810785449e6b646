"""Quantities are parsed like the `kubernetes` package does, without importing it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as theirs

from flotilla.kube.quantities import parse_quantity

NUMBERS = st.from_regex(r"[+-]?[0-9]{1,12}(\.[0-9]{0,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
SUFFIXES = st.sampled_from(["", *"numkKMGTPE", *(f"{letter}i" for letter in "KMGTPEnumk"), "i", "x", "Xi", "mm"])


def read(parse, quantity):
    try:
        return parse(quantity)
    except ValueError:
        return "refused"


@given(NUMBERS, SUFFIXES)
def test_every_number_with_every_suffix_equals_the_result_of_the_package(number, suffix):
    assert read(parse_quantity, number + suffix) == read(theirs, number + suffix)


@given(st.text(max_size=6))
def test_text_that_the_package_refuses_is_refused(text):
    assert str(read(parse_quantity, text)) == str(read(theirs, text))


@pytest.mark.parametrize("number", [0, 3, 1.5, True])
def test_numbers_are_accepted_unchanged(number):
    assert parse_quantity(number) == theirs(number)
