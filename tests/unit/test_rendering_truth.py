"""Works that real Karmada (1.10.7 and 1.18.2) wrote, compared with the model."""

import copy
import json

import pytest

from flotilla.karmada.rendering.defaults import with_defaults
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.marks import without_marks
from flotilla.karmada.rendering.policies import in_order, rules_of
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import revises
from flotilla.karmada.rendering.works import NotSent
from flotilla.karmada.scheduling import divides, facts_of
from flotilla.karmada.versions import Version
from flotilla.kube.objects import differences
from tests.conftest import REPOSITORY, VERSIONS
from tests.rendering.compare import disagreements, judged, model
from tests.rendering.recording import expanded

FILE = REPOSITORY / "tests" / "unit" / "data" / "rendering_truth.json"


@pytest.fixture(scope="module")
def recordings():
    return {version: expanded(part) for version, part in json.loads(FILE.read_text()).items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_works_equal_the_rendering_of_the_model(recordings, version):
    truth = recordings[version]
    assert len(judged(truth)) >= 50
    assert disagreements(truth) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_comparison_finds_a_changed_work(recordings, version):
    truth = copy.deepcopy(recordings[version])
    case = next(case for case in truth["cases"] if case["works"])
    work = next(iter(case["works"].values()))
    work["spec"]["workload"]["manifests"][0]["metadata"]["annotations"]["other"] = "value"
    assert disagreements(truth)


@pytest.mark.parametrize("version", VERSIONS)
def test_recording_has_failing_overrides(recordings, version):
    said = [one for case in judged(recordings[version]) for one in model(case, recordings[version]).values()]
    assert sum(isinstance(one, NotSent) for one in said) >= 10


@pytest.mark.parametrize("version", VERSIONS)
def test_defaults_equal_those_of_real_api_servers(recordings, version):
    for case in recordings[version]["cases"]:
        assert differences(with_defaults(case["declared"]), case["template"]) == []


def revised(case, version):
    """Return whether a Karmada of this version gives a cluster the replicas of the binding."""
    divided = divides(case["binding"]["spec"].get("placement") or {})
    return revises(divided=divided, version=Version.parse(version))


@pytest.mark.parametrize("version", VERSIONS)
def test_declared_template_is_rendered_like_the_stored_one(recordings, version):
    """What a plan shows is in the Work, also if an override names a field that only the API server sets."""
    truth, compared = recordings[version], 0
    for case in judged(truth):
        for name, work in case["works"].items():
            manifest = without_marks(work["spec"]["workload"]["manifests"][0])
            policies = [*truth["everywhere"], *case["overrides"]]
            rules = [
                rule
                for kind in ("ClusterOverridePolicy", "OverridePolicy")
                for policy in in_order([one for one in policies if one["kind"] == kind], case["declared"])
                for rule in rules_of(policy)
            ]
            facts = next(facts_of(one) for one in truth["clusters"] if one["metadata"]["name"] == name)
            targets = {target["name"]: target.get("replicas") for target in case["binding"]["spec"]["clusters"]}
            completions = (manifest.get("spec") or {}).get("completions") if manifest["kind"] == "Job" else None
            try:
                said = render(
                    case["declared"],
                    facts,
                    replicas=(targets[name] or None) if revised(case, version) else None,
                    rules=rules,
                    completions=completions,
                    version=Version.parse(version),
                )
            except OverrideError as error:
                assert "uid" in str(error), case["number"]  # only a stored object has one  # noqa: PT017
                continue
            said.pop("stringData", None)
            assert differences(said, manifest) == [], (case["number"], name)
            compared += 1
    assert compared >= 60
