"""One fleet in three stacks, on the stand-in."""

import pytest

from tests.contract.stacks import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
