"""Adoption of objects of one member, on real Karmada."""

import pytest

from tests.contract.promoted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
