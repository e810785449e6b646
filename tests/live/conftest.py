"""Real Karmada; skipped, by name, where it isn't."""

import pytest

from flotilla.errors import SandboxError
from flotilla.sandbox.karmada import find_karmada
from tests.contract.fleet import fleet_in
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures of the contract


@pytest.fixture(scope="package")
def fleet(tmp_path_factory):
    """A fleet on real Karmada."""
    try:
        found = find_karmada(None)
    except SandboxError as error:
        pytest.skip(str(error))
    if found is None:
        pytest.skip("Karmada's programs are neither in KARMADA_BIN nor on the PATH")
    with fleet_in(tmp_path_factory.mktemp("karmada"), karmada_bin=found) as made:
        yield made
