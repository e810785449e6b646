"""Objects of the control plane itself, on real Karmada."""

import pytest

from tests.contract.control_plane import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
