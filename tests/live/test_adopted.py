"""`flotilla adopt` on an existing fleet, on real Karmada."""

import pytest

from tests.contract.adopted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
