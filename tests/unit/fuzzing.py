"""What fuzz tests share: one profile with a seed that is printed, and strategies for texts that people might write.

The examples are the same in every run. `FLOTILLA_FUZZ_SEED=N` and `FLOTILLA_FUZZ_EXAMPLES=N` try others, or more.
"""

import os

import yaml
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st

from tests.every_key import WORKLOADS

SEED = int(os.environ.get("FLOTILLA_FUZZ_SEED", "15"))
_MORE = int(os.environ.get("FLOTILLA_FUZZ_EXAMPLES", "0"))


def fuzz(examples):
    """Run a test with so many examples, each within five seconds: no hang. A failure's report has the seed."""

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
    """Return a value as YAML; what YAML has no word for goes into the text as it is."""
    return yaml.safe_dump(value, allow_unicode=True)


def places(value, path=()):
    """Yield the paths of all values within a value."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))


def replaced(value, path, new):
    """Return a copy of a value with something else at a path; `REMOVED` takes it away."""
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
    """Return valid documents with something else, or nothing, at one to three places."""

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
    """Return workloads of a stack file: with every key of placement, policy and overrides, and with changes."""
    whole = [{"image": "web:1", **workload} for workload in WORKLOADS]
    return st.sampled_from(whole) | mutated(*whole) | st.tuples(*[st.sampled_from(whole)] * 2).map(_merged)


def _merged(two):
    """Return one workload with the keys of both, also within the placement."""
    first, second = two
    return {**first, **second, "placement": {**first["placement"], **second["placement"]}}


@st.composite
def damaged(draw, text):
    """Return a text with a piece cut out, doubled, or put in."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)))
    piece = draw(WORDS | st.text(max_size=6) | st.just(text[start:end] * 2))
    return text[:start] + piece + text[end:]
