"""The guide "from karmadactl to a stack", on the stand-in."""

import pytest

from tests.contract.from_karmadactl import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
