"""Compare the Works that real Karmada writes for random templates and overrides with the model's."""

import json
import os
import random
from pathlib import Path

import pytest

from tests.rendering.compare import disagreements, judged
from tests.rendering.gather import gather

pytestmark = [pytest.mark.live, pytest.mark.timeout(1200)]
CASES = int(os.environ.get("FLOTILLA_CASES", "330"))
ENOUGH = 0.9
"""The share of the cases that Karmada must schedule, so that the comparison is meaningful."""


def test_the_model_renders_the_same_works_as_karmada(control_plane, capsys):
    connection, version = control_plane
    seed = int(os.environ.get("FLOTILLA_SEED") or random.randrange(10**6))  # noqa: S311 - it chooses cases
    truth = {**gather(connection, seed, CASES), "version": version}
    if os.environ.get("FLOTILLA_TRUTH"):
        folder = Path(os.environ["FLOTILLA_TRUTH"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{version}-{seed}.json").write_text(json.dumps(truth, sort_keys=True))
    found, compared = disagreements(truth), judged(truth)
    failing = sum(len(case["works"]) < len(case["binding"]["spec"]["clusters"]) for case in compared)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is what the test is for
            f"\nKarmada {version}, seed {seed}: {len(compared)} of {CASES} cases compared, {failing} of them with an "
            f"override that fails, {len(found)} disagreements (FLOTILLA_SEED={seed} makes the same cases)"
        )
    assert len(compared) >= ENOUGH * CASES
    assert not found, "\n".join(found[:20])
