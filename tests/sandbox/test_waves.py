"""Changes in waves on the stand-in."""

import pytest

from tests.contract.wave_verbs import *  # noqa: F403 - the cases are the contract's
from tests.contract.waves import *  # noqa: F403

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
