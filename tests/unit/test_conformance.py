"""The embedded engine does what Pulumi's CLI was recorded doing, case by case."""

import json

import pytest

from flotilla.deploy.interface import EngineName
from tests.conformance.cases import CASES
from tests.conformance.runner import RECORDED, run_case


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_PYTHON_CMD", "PYTHONPATH"):
        monkeypatch.setenv(key, "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_embedded_engine_does_what_the_cli_does(case, tmp_path):
    recorded = json.loads((RECORDED / f"{case.name}.json").read_text())["acts"]
    done = json.loads(json.dumps(run_case(case, EngineName.EMBEDDED, tmp_path)))
    for number, (expected, actual) in enumerate(zip(recorded, done, strict=True), 1):
        for part in expected:
            assert actual[part] == expected[part], f"act {number} ({expected['act']}): {part} differs"
