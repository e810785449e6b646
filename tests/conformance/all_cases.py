"""All cases, by where their resources are: the recorder and the tests of both engines run the same ones."""

from tests.conformance import cases, identity_cases, kubernetes_cases, ownership_cases

WITH_FILES = cases.CASES
WITH_A_CLUSTER = (*kubernetes_cases.CASES, *identity_cases.CASES, *ownership_cases.CASES)
