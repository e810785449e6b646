"""Fixtures with real Karmada; where a program is missing, tests are skipped and the reason names it."""

import shutil

import pytest

from tests.contract.fleet import fleet_in, programs, real_karmada
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures of the contract
from tests.rendering.gather import karmada_in


@pytest.fixture(scope="package")
def fleet(tmp_path_factory):
    """A fleet on real Karmada."""
    found = real_karmada()
    with fleet_in(tmp_path_factory.mktemp("karmada"), karmada_bin=found) as made:
        yield made


@pytest.fixture
def control_plane(tmp_path):
    """A Karmada without members: a connection and Karmada's version."""
    with karmada_in(tmp_path / "karmada", real_karmada(), programs()) as made:
        yield made
    shutil.rmtree(tmp_path, ignore_errors=True)
