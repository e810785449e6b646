"""Decisions of real schedulers for random fleets, recorded by tests/live/test_scheduler_truth.py, equal the model's."""

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


def test_model_equals_the_decisions_of_real_schedulers(record):
    found = list(verdicts(record))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []
    assert len(found) >= _LEAST


@pytest.mark.parametrize("known", [known for known, given in KNOWN.items() if given])
def test_nothing_that_depends_on_unknown_values_is_certain(record, known):
    """Without a template's UID, free capacities or Karmada's version, the real decision is among the candidates."""
    found = list(verdicts(record, **KNOWN[known]))
    assert [(one.case, one.turn, one.wrong) for one in found if one.wrong] == []


def test_model_is_certain_in_most_cases(record):
    """This is for existing templates; before 1.16 ties are excluded, since they are broken at random."""
    found = [one for one in verdicts(record) if not one.by_room]
    assert sum(one.certain for one in found) / len(found) > (0.99 if record["version"] > "1.16" else 0.7)


def test_ties_that_the_model_leaves_open_are_open_in_karmada(record):
    """With another UID, or by chance, Karmada chooses the other side: the model is as exact as possible."""
    tied = [place for place, one in enumerate(verdicts(record, uid="")) if not one.certain]
    assert len(tied) > 50
    if record["version"] > "1.16":
        assert {ties_descend(uid) for uid in UIDS} == {False, True}
        one, other = ([first_of(found.decision) for found in verdicts(record, uid=uid)] for uid in UIDS)
        assert [place for place in tied if one[place] == other[place]] == []


def test_a_tie_gives_some_clusters_the_minimum_and_some_the_maximum(record):
    """At most one replica per cluster is open, and never one that every cluster or no cluster gets."""
    tied = [one for one in verdicts(record, uid="") if not one.certain]
    assert [one.case for one in tied if not one.nearly] == []
    for one in tied:
        shares = {name: one.answer["clusters"].get(name) or 0 for name in one.open}
        lucky = {name for name, (_, most) in one.open.items() if shares[name] == most}
        assert 0 < len(lucky) < len(shares), (one.case, one.turn)
