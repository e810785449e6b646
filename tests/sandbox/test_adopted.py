"""A fleet that exists, written as a stack, on the stand-in."""

import pytest

from tests.contract.adopted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
