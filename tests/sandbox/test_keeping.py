"""Letting go on the stand-in: one removal. What `release` does takes two runs more, and is tested on real Karmada."""

import pytest

from tests.contract.keeping import (  # noqa: F401 - the case is the contract's, and so are its fixtures
    run,
    shared_stack,
    stack,
    test_kept_copies_of_a_removed_workload_run_on_without_labels_and_annotations,
    verbs,
)

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]
