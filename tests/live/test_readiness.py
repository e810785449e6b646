"""Objects that no controller serves, and the key `ready`, on real Karmada."""

import pytest

from tests.contract.readiness import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
