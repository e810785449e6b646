"""Objects that follow the workloads that use them, with policies of users, on the stand-in."""

import pytest

from tests.contract.along import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
