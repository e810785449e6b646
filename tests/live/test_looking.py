"""The verbs that show the fleet, on real Karmada."""

import pytest

from tests.contract.looking import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
