"""Secrets in output and files, on real Karmada."""

import pytest

from tests.contract.planted import *  # noqa: F403 - the cases are the contract's
from tests.contract.secrecy import *  # noqa: F403

pytestmark = [pytest.mark.live, pytest.mark.timeout(2400)]
