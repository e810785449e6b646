"""Adoption of existing objects, on the stand-in."""

import pytest

from tests.contract.adoption import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
