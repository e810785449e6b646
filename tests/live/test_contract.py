"""Karmada's contract on real Karmada."""

import pytest

from tests.contract.karmada import *  # noqa: F403 - the cases are the contract's
from tests.contract.refusals import *  # noqa: F403
from tests.contract.rendering import *  # noqa: F403
from tests.contract.scheduling import *  # noqa: F403

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
