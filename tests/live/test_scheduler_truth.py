"""The model of Karmada's scheduling against a real scheduler: random fleets, placements, templates and changes.

SCHEDULER_TRUTH="FLEETS CASES SEED OUT.json" asks for more than the two small fleets that a run of all tests takes, for
a seed of before, and for a file that keeps what was gathered; all but the first are optional. About 45 decisions take
20 seconds.
"""

import os
import random
from pathlib import Path

import pytest

from tests.contract.fleet import real_karmada
from tests.truth import records
from tests.truth.control_plane import own_karmada
from tests.truth.gather import Gatherer
from tests.truth.judge import KNOWN, summary, verdicts

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]


@pytest.fixture
def karmada(tmp_path):
    """A real Karmada of its own, whose Clusters the test makes itself: its version, and a connection to it."""
    with own_karmada(tmp_path, real_karmada()) as given:
        yield given


def test_the_model_says_what_the_real_scheduler_does(karmada, capsys):
    """Where it is certain the decision is the same, else among its candidates: whatever of the facts isn't known."""
    version, api = karmada
    fleets, cases, seed, out = (*os.environ.get("SCHEDULER_TRUTH", "2 30").split(), "", "", "")[:4]
    chosen = int(seed) if seed else random.SystemRandom().randrange(10**6)
    print(f"seed {chosen}")  # noqa: T201 - shown where the test fails
    record = Gatherer(api, chosen, version).gather(
        int(fleets), int(cases or 30), lambda found: records.save(found, Path(out)) if out else None
    )
    judged = {known: list(verdicts(record, **given)) for known, given in KNOWN.items()}
    with capsys.disabled():
        print(f"\nKarmada {version}, seed {chosen}")  # noqa: T201 - the figures are what this test is for
        for known, found in judged.items():
            print(f"  {known}: {summary(found)}")  # noqa: T201
    assert len(judged["all known"]) > int(fleets) * int(cases or 30) / 2, "few answers came in time"
    wrong = [(known, one.case, one.turn, one.wrong) for known, found in judged.items() for one in found if one.wrong]
    assert wrong == []
