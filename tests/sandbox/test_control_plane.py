"""Objects of the control plane itself, on the stand-in."""

import pytest

from tests.contract.control_plane import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
