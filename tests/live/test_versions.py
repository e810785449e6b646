"""Behaviour that depends on Karmada's version, on real Karmada."""

import pytest

from tests.contract.versions import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
