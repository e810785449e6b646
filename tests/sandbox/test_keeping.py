"""Kept copies on the stand-in: one removal. `release` takes two more runs and is tested on real Karmada only."""

import pytest

from tests.contract.keeping import (  # noqa: F401 - the case is the contract's, and so are its fixtures
    run,
    shared_stack,
    stack,
    test_kept_copies_of_a_removed_workload_run_on_without_labels_and_annotations,
    verbs,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
