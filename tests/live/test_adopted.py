"""A fleet that exists, written as a stack, on real Karmada."""

import pytest

from tests.contract.adopted import *  # noqa: F403 - the case is the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
