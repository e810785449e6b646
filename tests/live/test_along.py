"""Objects that follow those that use them, by policies of the user's own, on real Karmada."""

import pytest

from tests.contract.along import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
