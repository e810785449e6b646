"""The guide "from karmadactl to a stack", on real Karmada, with karmadactl itself."""

import pytest

from tests.contract.from_karmadactl import *  # noqa: F403 - the case is the contract's
from tests.live.by_karmadactl import Karmadactl

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def karmadactl(fleet, tmp_path):
    """Join a member by `karmadactl join`."""
    return Karmadactl(fleet, tmp_path).join
