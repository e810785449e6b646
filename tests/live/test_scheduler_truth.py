"""Compare the model of scheduling with a real scheduler: random fleets, placements, templates and changes.

SCHEDULER_TRUTH="FLEETS CASES SEED OUT.json" sets the number of fleets (by default two small ones) and of cases, an
earlier seed, and a file for the record; all but the first are optional. About 45 decisions take 20 seconds.
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
    """A real Karmada for the test, which creates the Clusters itself: Karmada's version, and a connection to it."""
    with own_karmada(tmp_path, real_karmada()) as given:
        yield given


def test_the_model_agrees_with_the_real_scheduler(karmada, capsys):
    """Certain answers must equal the decision, others must include it, also if some facts are unknown."""
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
