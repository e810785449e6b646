"""What nobody serves, and how far objects have to get, on the stand-in."""

import pytest

from tests.contract.readiness import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
