"""Members that are lost, abandoned or rebuilt, on real Karmada."""

import pytest

from tests.contract.lost import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
