"""The verbs that show the fleet, on the stand-in."""

import pytest

from tests.contract.looking import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
