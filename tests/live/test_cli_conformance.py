"""Pulumi's installed CLI still does what the recordings say; a recording of another version is stale."""

import json
import shutil
import subprocess

import pytest

from flotilla.deploy.interface import EngineName
from tests.conformance.cases import CASES
from tests.conformance.runner import RECORDED, run_case

pytestmark = pytest.mark.live

NEEDED = ("pulumi", "pulumi-resource-pulumi-python")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"not on the PATH: {', '.join(missing)}")
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_PYTHON_CMD", "PYTHONPATH"):
        monkeypatch.setenv(key, "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_cli_does_what_was_recorded(case, tmp_path):
    document = json.loads((RECORDED / f"{case.name}.json").read_text())
    version = subprocess.run(["pulumi", "version"], capture_output=True, text=True, check=True).stdout.strip()
    assert document["pulumi"] == version, "the recording is stale: run `python -m tests.conformance.record`"
    done = json.loads(json.dumps(run_case(case, EngineName.PULUMI, tmp_path)))
    for number, (expected, actual) in enumerate(zip(document["acts"], done, strict=True), 1):
        for part in expected:
            assert actual[part] == expected[part], f"act {number} ({expected['act']}): {part} differs"
