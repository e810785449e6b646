"""Several namespaces, and workloads with `after`, on real Karmada."""

import pytest

from tests.contract.spaces import *  # noqa: F403 - the cases are the contract's

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
