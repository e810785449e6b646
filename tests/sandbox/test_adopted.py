"""`flotilla adopt` on an existing fleet, on the stand-in."""

import pytest

from tests.contract.adopted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
