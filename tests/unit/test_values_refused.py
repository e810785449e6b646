"""Overrides with expressions that can't be evaluated, and invalid facts, are refused with their path."""

import json
from pathlib import Path

import pytest
import yaml

from components.configuration import take_config
from flotilla.stack import ConfigError
from flotilla.stack.clear_secrets import in_clear
from flotilla.stack.declare import rendered
from flotilla.stack.evaluation import MOST_BYTES
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import load_stack_file
from tests.unit.test_values_per_cluster import BARE, EU, MEMBERS, SIZE, override


def refused(fleet_of, *overrides, members=MEMBERS, **workload):
    with pytest.raises(ConfigError) as caught:
        fleet_of({"overrides": list(overrides), **workload}, members=members)
    return [str(problem) for problem in caught.value.problems]


def test_missing_fact_names_the_members_and_the_remedy(fleet_of):
    (problem,) = refused(fleet_of, override(patches=[SIZE]))
    assert problem == (
        'workloads[0].overrides[0].patches[0].value: "${member.facts.size}" — member3 lacks member.facts.size; there '
        "would be no value for it; add it to the member, or give a default: ${member.facts.size:-...}"
    )


def test_many_members_without_a_fact_are_one_line(fleet_of):
    members = [{**BARE, "name": f"m{number}", "kubeconfig": {"path": "kube.yaml"}} for number in range(9)]
    (problem,) = [p for p in refused(fleet_of, override(patches=[SIZE]), members=members) if "overrides" in p]
    assert "m0, m1, m2 and 6 more lack member.facts.size" in problem


@pytest.mark.parametrize(
    ("one", "place", "what"),
    [
        (override(args=["${HOME}"]), "args[0]", "write it such as ${member.region}"),
        (override(args=["${member.facts}"]), "args[0]", "needs a key"),
        (
            override(image={"tag": "${member.zones}"}),
            "image.tag",
            "is a list, which can't be a part of a text (member1",
        ),
        (override(labels={"a": "${member.name}!"}), "labels", "for member1: must be a valid label value"),
        (override(args=["web"]), "evaluate", "there is no expression in the override"),
        (override(args=["${member.name}"], container="${member.name}"), "container", "this value is never evaluated"),
        (
            override(patches=[{"op": "add", "path": "/a/${member.name}", "value": "${member.name}"}]),
            "patches[0].path",
            "this value is never evaluated",
        ),
        (override(args=["${member.name}"], removeLabels=["${member.name}"]), "removeLabels[0]", "label key"),
    ],
)
def test_expression_that_cannot_be_evaluated_is_refused_with_its_path(fleet_of, one, place, what):
    found = refused(fleet_of, one)
    assert [problem for problem in found if problem.startswith(f"workloads[0].overrides[0].{place}: ")], found
    assert what in "".join(found)


def test_all_problems_are_reported_at_once(fleet_of):
    found = refused(fleet_of, override(args=["${HOME}"]), override(patches=[SIZE]))
    assert len(found) == 2


def test_invalid_member_lacks_no_fact(fleet_of):
    """Its facts are unknown."""
    members = [{**BARE, "apiEndpoint": "nowhere"}]
    (problem,) = refused(fleet_of, override(patches=[SIZE]), members=members)
    assert problem.startswith("members[0].apiEndpoint")


def test_message_quotes_no_value_that_may_be_secret(fleet_of):
    patch = {"op": "add", "path": "/stringData/a", "value": "hunter2 ${HOME}"}
    lacking = {**patch, "value": "hunter2 ${member.facts.none:-}${member.facts.none}"}
    found = refused(fleet_of, override(patches=[patch, lacking]))
    assert len(found) == 1, "what isn't an expression comes first"
    assert "hunter2" not in "".join([*found, *refused(fleet_of, override(patches=[lacking]))])


def test_policies_that_are_too_large_for_etcd_are_refused_before_a_run(fleet_of):
    members = [
        {**BARE, "name": f"m{number}", "kubeconfig": {"path": f"m{number}.yaml"}, "facts": {"text": "x" * 50_000}}
        for number in range(MOST_BYTES // 50_000 + 1)
    ]
    one = override(annotations={"a": "${member.name}${member.facts.text}"})
    found = [problem for problem in refused(fleet_of, one, members=members) if "overrides" in problem]
    assert [problem.partition(";")[0] for problem in found] == [
        f"workloads[0].overrides: come to more than {MOST_BYTES} bytes after evaluation"
    ]


def test_size_of_the_evaluation_is_bounded(fleet_of):
    members = [{"name": "member1", "facts": {"text": "x" * 60_000}}]
    one = override(args=["${member.facts.text}"] * 1000)
    (problem,) = refused(fleet_of, one, members=members)
    assert "for all members together after evaluation" in problem


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ({"a": None}, "'a' has no value"),
        ({"a": {"b": [1, None]}}, "'a' has no value"),
        ({"a": "[secret]"}, "'a' is encrypted"),
        ({"a": {"b": ["[secret]"]}}, "'a' is encrypted"),
        ([], "must be an object"),
    ],
)
def test_facts_are_plain_values_and_no_secrets(fleet_of, value, what):
    (problem,) = refused(fleet_of, members=[{"name": "member1", "facts": value}])
    assert problem.startswith("members[0].facts: ")
    assert what in problem


def test_encrypted_facts_are_refused_although_they_are_decrypted_already(tmp_path, monkeypatch):
    """Pulumi's CLI passes decrypted values to a program; only the stack file shows that a value was encrypted."""
    (tmp_path / "stacks").mkdir()
    member = {"name": "a", "kubeconfig": "kube.yaml", "facts": {"size": 1}}
    file = tmp_path / "stacks" / "Pulumi.test.yaml"
    config = {"flotilla:members": json.dumps([member])}
    monkeypatch.setattr("pulumi.get_stack", lambda: "test")
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["flotilla:members"]')
    assert take_config(tmp_path) == config, "without the file it is not known"
    for value, ok in ((1, True), ({"secure": "v1:abc"}, False)):
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", '["flotilla:members"]')
        listed = [{**member, "facts": {"size": value}, "kubeconfig": {"inline": {"secure": "v1:def"}}}]
        file.write_text(yaml.safe_dump({"config": {"flotilla:members": listed}}))
        if ok:
            assert take_config(tmp_path) == config
            continue
        with pytest.raises(ConfigError, match="'size' is encrypted"):
            take_config(tmp_path)
        with pytest.raises(ConfigError, match="'size' is encrypted"):
            load_stack_file(file)


def test_secret_value_from_a_fact_is_reported_as_clear_text(project, fleet_of):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"token": "x"}}
    (project / "secret.yaml").write_text(yaml.safe_dump(secret))
    patch = {"op": "replace", "path": "/stringData/token", "value": "${member.facts.registry}"}
    members = [{**EU, "facts": {"registry": "hunter2"}}]
    workload = {"image": None, "manifests": ["secret.yaml"], "overrides": [override(patches=[patch])]}
    (line,) = in_clear(fleet_of(workload, members=members), ManifestFiles(project))
    assert "overrides[0].patches[0].value sets /stringData/token of a Secret, and the members' facts are" in line
    assert "hunter2" not in line


@pytest.mark.parametrize("evaluate", [True, False])
@pytest.mark.parametrize(
    ("path", "ok"),
    [
        ("/metadata/annotations", {"size": "3"}),
        ("/metadata/annotations", {"size": "${value}"}),
        ("/spec/template/metadata/annotations", {"size": "${value}"}),
        ("/spec/template/spec/containers/0/args", ["${value}"]),
        ("/spec/template/spec/containers/0/env", [{"name": "SIZE", "value": "${value}"}]),
        ("/spec/replicas", "${value}"),
    ],
)
def test_number_in_a_text_field_of_kubernetes_is_refused_before_it_is_sent(fleet_of, evaluate, path, ok):
    """Facts keep their type, and plain patches can have numbers, too: members would refuse such a copy."""
    number = "${member.facts.size}" if evaluate else 3
    filled = json.loads(json.dumps(ok).replace('"${value}"', json.dumps(number)))
    one = {"clusters": ["member1"], "patches": [{"op": "add", "path": path, "value": filled}]}
    if evaluate:
        one |= {"evaluate": True, "labels": {"a": "${member.name}"}}
    fleet = fleet_of({"overrides": [one]}, members=MEMBERS)
    if filled == ok or path == "/spec/replicas":
        assert rendered(fleet, ManifestFiles(Path()))["member1"]
        return
    with pytest.raises(ValueError, match=r"Deployment web in member1: .* is a number \(3\), set by an override"):
        rendered(fleet, ManifestFiles(Path()))


def test_encrypted_value_is_accepted_as_data_of_a_secret(project, fleet_of):
    """`validate` has `[secret]` in place of the value, which is no valid base64."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"token": "eA=="}}
    (project / "secret.yaml").write_text(yaml.safe_dump(secret))
    patch = {"op": "replace", "path": "/data/token", "value": "[secret]"}
    workload = {"image": None, "manifests": ["secret.yaml"], "overrides": [{"target": {}, "patches": [patch]}]}
    assert rendered(fleet_of(workload), ManifestFiles(project))["member1"][0]["data"]["token"] == "[secret]"
