"""Drift and status with broken members, on the stand-in."""

import pytest

from tests.contract.broken_looks import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
