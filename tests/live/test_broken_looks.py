"""Drift and status with broken members, on real Karmada."""

import pytest

from tests.contract.broken_looks import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
