"""What real schedulers decided for random fleets, recorded by tests/live/test_scheduler_truth.py: the model agrees."""

import pytest

from flotilla.karmada.scheduling import first_of, ties_descend
from tests.conftest import REPOSITORY, VERSIONS
from tests.truth.judge import KNOWN, verdicts
from tests.truth.records import load

_LEAST = 300
UIDS = ("1", "2")
"""By one of them ties go to the first name, by the other to the last."""


@pytest.fixture(scope="module", params=VERSIONS)
def record(request):
    return load(REPOSITORY / "tests" / "truth" / "recorded" / f"{request.param}.json")


def test_the_model_says_what_real_schedulers_decided(record):
    found = list(verdicts(record))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []
    assert len(found) >= _LEAST


@pytest.mark.parametrize("known", [known for known, given in KNOWN.items() if given])
def test_nothing_is_certain_that_hangs_on_what_is_not_known(record, known):
    """A template's UID, the clusters' free capacity, Karmada's version: the decision is among the candidates."""
    found = list(verdicts(record, **KNOWN[known]))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []


def test_the_model_is_certain_of_most(record):
    """For templates that exist, before 1.16 but for ties, which chance breaks."""
    found = [one for one in verdicts(record) if not one.by_room]
    assert sum(one.certain for one in found) / len(found) > (0.99 if record["version"] > "1.16" else 0.7)


def test_what_a_tie_leaves_open_karmada_leaves_open(record):
    """By another UID, or by chance, Karmada takes the other side: it is no shortcoming of the model."""
    tied = [place for place, one in enumerate(verdicts(record, uid="")) if not one.certain]
    assert len(tied) > 50
    if record["version"] > "1.16":
        assert {ties_descend(uid) for uid in UIDS} == {False, True}
        one, other = ([first_of(found.decision) for found in verdicts(record, uid=uid)] for uid in UIDS)
        assert [place for place in tied if one[place] == other[place]] == []


def test_of_the_clusters_that_a_tie_leaves_open_some_get_the_least_and_some_the_most(record):
    """Only one replica a cluster is open, and that one in truth: nothing is open that every cluster or none gets."""
    tied = [one for one in verdicts(record, uid="") if not one.certain]
    assert [one.case for one in tied if not one.nearly] == []
    for one in tied:
        shares = {name: one.answer["clusters"].get(name) or 0 for name in one.open}
        lucky = {name for name, (_, most) in one.open.items() if shares[name] == most}
        assert 0 < len(lucky) < len(shares), (one.case, one.turn)
