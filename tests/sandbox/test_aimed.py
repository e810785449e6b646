"""Overrides of single objects, on the stand-in."""

import pytest

from tests.contract.aimed import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
