"""Objects that follow those that use them, by policies of the user's own, on the stand-in."""

import pytest

from tests.contract.along import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
