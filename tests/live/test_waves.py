"""Changes in waves on real Karmada."""

import pytest

from tests.contract.wave_verbs import *  # noqa: F403 - the cases are the contract's
from tests.contract.waves import *  # noqa: F403

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]
