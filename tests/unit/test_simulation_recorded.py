"""Simulations equal the results of real Karmadas that tests/live/test_simulation_truth.py recorded."""

import json

import pytest

from tests.conftest import REPOSITORY, VERSIONS
from tests.truth.losing import verdicts

_LEAST, _LEAST_MOVED = 30, 10


@pytest.fixture(scope="module", params=VERSIONS)
def record(request):
    return json.loads((REPOSITORY / "tests" / "truth" / "recorded" / f"losses-{request.param}.json").read_text())


def test_simulations_equal_the_results_of_real_karmadas(record):
    found = list(verdicts(record))
    assert [(one.case, one.wrong) for one in found if one.wrong] == []
    assert len(found) >= _LEAST
    assert sum(one.moved for one in found) >= _LEAST_MOVED


@pytest.mark.parametrize("given", [{"uid": ""}, {"with_room": False}], ids=["UIDs", "capacity"])
def test_nothing_that_depends_on_unknown_values_is_certain(record, given):
    assert [(one.case, one.wrong) for one in verdicts(record, **given) if one.wrong] == []


def test_simulations_are_certain_in_most_cases(record):
    found = list(verdicts(record))
    assert sum(one.certain for one in found) / len(found) > (0.9 if record["version"] > "1.16" else 0.6)
