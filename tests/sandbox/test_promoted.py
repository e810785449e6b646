"""Adoption of objects of one member, on the stand-in."""

import pytest

from tests.contract.promoted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
