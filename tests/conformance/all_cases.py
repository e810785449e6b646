"""All cases, by the place of their resources. The recorder and the tests of both engines run the same cases."""

from tests.conformance import cases, identity_cases, kubernetes_cases, ownership_cases

WITH_FILES = cases.CASES
WITH_A_CLUSTER = (*kubernetes_cases.CASES, *identity_cases.CASES, *ownership_cases.CASES)
