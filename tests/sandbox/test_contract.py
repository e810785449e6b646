"""Karmada's contract on the stand-in."""

import pytest

from tests.contract.karmada import *  # noqa: F403 - the cases are the contract's
from tests.contract.refusals import *  # noqa: F403
from tests.contract.rendering import *  # noqa: F403
from tests.contract.scheduling import *  # noqa: F403

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
