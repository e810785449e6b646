"""Adoption of existing objects, on real Karmada; karmadactl itself joins the member."""

import pytest

from tests.contract.adoption import *  # noqa: F403 - the cases are the contract's
from tests.live.by_karmadactl import Karmadactl

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def karmadactl(fleet, tmp_path):
    """Join a member by `karmadactl join`."""
    return Karmadactl(fleet, tmp_path).join
