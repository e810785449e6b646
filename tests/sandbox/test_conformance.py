"""The embedded engine does the same with objects of a real cluster as recorded of Pulumi's CLI and its provider."""

import pytest

from flotilla.deploy.interface import EngineName
from tests import rounds
from tests.conformance.all_cases import WITH_A_CLUSTER
from tests.conformance.places import namespace_in
from tests.conformance.runner import compare_embedded, own_environment, run_case
from tests.conformance.versions import require

pytestmark = pytest.mark.sandbox


_UNLIKE = pytest.mark.xfail(
    strict=True, reason="the CLI's `up` fails after its first deletion, the embedded engine's carries out the plan"
)


def _marked(case):
    marks = [_UNLIKE] if case.name == "identity-of-provider-replaced-create-first" else []
    return pytest.param(case, marks=marks, id=case.name)


@pytest.mark.parametrize("case", [_marked(case) for case in WITH_A_CLUSTER])
def test_the_embedded_engine_does_the_same_as_the_recorded_provider(case, cluster, tmp_path, monkeypatch):
    if "release" in case.name:
        require("helm")
    own_environment(monkeypatch)
    with namespace_in(cluster) as place, rounds.few():
        compare_embedded(case, run_case(case, EngineName.EMBEDDED, tmp_path, place))
