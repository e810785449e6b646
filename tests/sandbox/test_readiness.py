"""What nobody serves, and how far objects have to get, on the stand-in."""

import pytest

from flotilla.karmada.status import waiting
from tests.contract.readiness import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """The stand-in's controllers need no half minute: the cases are about what happens at its end."""
    monkeypatch.setattr(waiting, "UNSERVED_SECONDS", 6.0)
