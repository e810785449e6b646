"""Secrets in output and files, on the stand-in."""

import pytest

from tests.contract.planted import *  # noqa: F403 - the cases are the contract's
from tests.contract.secrecy import *  # noqa: F403

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(2400)]
