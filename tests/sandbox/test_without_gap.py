"""Moves without a gap on the stand-in."""

import pytest

from tests.contract.without_gap import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
