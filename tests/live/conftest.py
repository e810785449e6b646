"""Real Karmada; skipped, by name, where it isn't."""

import pytest

from tests.contract.fleet import fleet_in, real_karmada
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures of the contract


@pytest.fixture(scope="package")
def fleet(tmp_path_factory):
    """A fleet on real Karmada."""
    found = real_karmada()
    with fleet_in(tmp_path_factory.mktemp("karmada"), karmada_bin=found) as made:
        yield made
