"""What real schedulers decided for random fleets, recorded by tests/live/test_scheduler_truth.py: the model agrees."""

import pytest

from tests.conftest import REPOSITORY, VERSIONS
from tests.truth.judge import verdicts
from tests.truth.records import load

_LEAST = 300


@pytest.fixture(scope="module", params=VERSIONS)
def record(request):
    return load(REPOSITORY / "tests" / "truth" / "recorded" / f"{request.param}.json")


def test_the_model_says_what_real_schedulers_decided(record):
    found = list(verdicts(record))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []
    assert len(found) >= _LEAST


@pytest.mark.parametrize("unknown", ["with_uid", "with_room", "with_version"])
def test_nothing_is_certain_that_hangs_on_what_is_not_known(record, unknown):
    """A template's UID, the clusters' free capacity, Karmada's version: the decision is among the candidates."""
    found = list(verdicts(record, **{unknown: False}))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []


def test_the_model_is_certain_of_most(record):
    """For templates that exist, before 1.16 but for ties, which chance breaks."""
    found = [one for one in verdicts(record) if not one.by_room]
    assert sum(one.certain for one in found) / len(found) > (0.99 if record["version"] > "1.16" else 0.7)
