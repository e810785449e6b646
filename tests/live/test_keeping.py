"""Kept and released copies on real Karmada."""

import pytest

from tests.contract.keeping import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
