"""Compare simulations of clusters that fail, are tainted or cordoned with the reactions of a real Karmada.

SIMULATION_TRUTH="FLEETS TEMPLATES SEED OUT.json" sets the number of fleets (by default one small one) and of templates,
an earlier seed, and a file for the record. A fleet with 15 templates takes about 25 seconds.
"""

import json
import os
import random
from pathlib import Path

import pytest

from tests.contract.fleet import real_karmada
from tests.truth.control_plane import own_karmada
from tests.truth.losing import LossGatherer, summary, verdicts, with_failover

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]


@pytest.fixture
def karmada(tmp_path):
    """A real Karmada with failover, whose Clusters the test creates: Karmada's version, and a connection to it."""
    with own_karmada(tmp_path, with_failover(real_karmada(), tmp_path / "programs")) as given:
        yield given


def test_a_simulation_agrees_with_the_real_karmada(karmada, capsys):
    """Certain answers must equal Karmada's clusters and replicas, others must include them."""
    version, api = karmada
    fleets, count, seed, out = (*os.environ.get("SIMULATION_TRUTH", "1 25").split(), "", "", "")[:4]
    chosen = int(seed) if seed else random.SystemRandom().randrange(10**6)
    print(f"seed {chosen}")  # noqa: T201 - shown where the test fails

    def keep(record):
        if out:
            Path(out).write_text(json.dumps(record))

    record = LossGatherer(api, chosen, version).gather(int(fleets), int(count or 25), keep)
    judged = {
        "all known": list(verdicts(record)),
        "UIDs unknown": list(verdicts(record, uid="")),
        "capacity unknown": list(verdicts(record, with_room=False)),
    }
    with capsys.disabled():
        print(f"\nKarmada {version}, seed {chosen}, {fleets} fleets")  # noqa: T201 - the figures are what it is for
        for known, found in judged.items():
            print(f"  {known}: {summary(found)}")  # noqa: T201
    assert judged["all known"], "few answers came in time"
    assert [(known, one.case, one.wrong) for known, found in judged.items() for one in found if one.wrong] == []
