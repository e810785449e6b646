"""Members that are lost, abandoned or rebuilt, on the stand-in."""

import pytest

from tests.contract.lost import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
