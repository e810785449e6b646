"""Letting go on the stand-in: one removal. What `release` does takes two runs more, and is tested on real Karmada."""

import pytest

from tests.contract.keeping import (  # noqa: F401 - the case is the contract's, and so are its fixtures
    run,
    stack,
    staying,
    test_what_a_workload_keeps_runs_on_without_a_mark,
    verbs,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
