"""Objects that no controller serves, and the key `ready`, on the stand-in."""

import pytest

from flotilla.karmada.status import waiting
from tests.contract.readiness import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def short_unserved_time(monkeypatch):
    """Shorten the time after which objects count as unserved; the stand-in's controllers are fast."""
    monkeypatch.setattr(waiting, "UNSERVED_SECONDS", 6.0)
