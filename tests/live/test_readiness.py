"""What nobody serves, and how far objects have to get, on real Karmada."""

import pytest

from tests.contract.readiness import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
