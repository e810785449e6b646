"""The embedded engine does what Pulumi's CLI was recorded doing, case by case."""

import pytest

from flotilla.deploy.interface import EngineName
from tests.conformance.cases import CASES
from tests.conformance.runner import compare, own_environment, recorded, run_case


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    own_environment(monkeypatch)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_embedded_engine_does_what_the_cli_does(case, tmp_path):
    compare(recorded(case)["acts"], run_case(case, EngineName.EMBEDDED, tmp_path))
