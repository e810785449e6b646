"""Objects that follow the workloads that use them, with policies of users, on real Karmada."""

import pytest

from tests.contract.along import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
