"""Behaviour that depends on Karmada's version, on the stand-in."""

import pytest

from tests.contract.versions import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
