"""Rollback to an earlier update on real Karmada."""

import pytest

from tests.contract.rollback import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
