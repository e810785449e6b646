"""Helpers of the fuzz tests: one profile with a printed seed, and strategies for texts that users might write.

Each run uses the same examples. `FLOTILLA_FUZZ_SEED=N` chooses other examples, `FLOTILLA_FUZZ_EXAMPLES=N` another
number of them.
"""

import os

import yaml
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from tests.every_key import WORKLOADS

SEED = int(os.environ.get("FLOTILLA_FUZZ_SEED", "15"))
_MORE = int(os.environ.get("FLOTILLA_FUZZ_EXAMPLES", "0"))


def fuzz(examples):
    """Run a test with this number of examples.

    Each example must end within five seconds. The report of a failure has the seed.
    """

    def decorate(test):
        profile = settings(
            max_examples=_MORE or examples,
            deadline=5000,
            database=None,
            derandomize=False,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
        )
        return seed(SEED)(profile(test))

    return decorate


WORDS = st.sampled_from(
    [
        "=", "on", "no", "y", "~", "", "null", "22:30", "2024-05-01", "0o440", "1e8", ".nan", ".inf", "<<",
        "!!binary x", "!Ref a", "*a", "&a b", "0xFF", "-", "- a", "a: b", "{{ x }}", "|", ">", "'", '"', "\t", "\x00",
        "\ud800", "é", "🚢", "/dev/zero", "~nobody/x", "a\0b", "https://[::1", "9" * 30, "1_0", "@", "%", "karmada",
        "../../x", ":", "[secret]", "a\nb", "\x1b[2J",
    ]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=12),
    WORDS,
    st.dates(),
    st.binary(max_size=6),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | WORDS, inner, max_size=4),
    max_leaves=12,
)


def dumped(value):
    """Return a value as YAML; a value that YAML cannot represent is written as its text."""
    return yaml.safe_dump(value, allow_unicode=True)


def places(value, path=()):
    """Yield the path of every value within a value."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))


def replaced(value, path, new):
    """Return a copy of a value in which the value at a path is replaced; `REMOVED` removes it."""
    if not path:
        return new
    step, *rest = path
    if isinstance(value, dict):
        return {
            key: replaced(entry, rest, new) if key == step else entry
            for key, entry in value.items()
            if not (key == step and not rest and new is REMOVED)
        }
    return [
        replaced(entry, rest, new) if index == step else entry
        for index, entry in enumerate(value)
        if not (index == step and not rest and new is REMOVED)
    ]


REMOVED = object()


def mutated(*valid):
    """Draw valid documents in which one to three values are replaced or removed."""

    @st.composite
    def mutation(draw):
        document = draw(st.sampled_from(valid))
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from(list(places(document))))
            new = draw(ANYTHING | st.just(REMOVED))
            document = replaced(document, path, None if new is REMOVED and not path else new)
        return document

    return mutation()


def workloads():
    """Draw mutated workloads of a stack file; together they have every key of placement, policy and overrides."""
    whole = [{"image": "web:1", **workload} for workload in WORKLOADS]
    return st.sampled_from(whole) | mutated(*whole) | st.tuples(*[st.sampled_from(whole)] * 2).map(_merged)


def _merged(two):
    """Return one workload with the keys of both workloads, also within the placement."""
    first, second = two
    return {**first, **second, "placement": {**first["placement"], **second["placement"]}}


@st.composite
def damaged(draw, text):
    """Draw a text with a piece removed, duplicated or inserted."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    piece = draw(WORDS | st.text(max_size=6) | st.just(text[start:end] * 2))
    return text[:start] + piece + text[end:]
