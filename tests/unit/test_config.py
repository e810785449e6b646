"""Every rule of a stack file: the problem is reported at its key, with the remedy."""

import json

import pytest
from pydantic import SecretStr

from flotilla.errors import FlotillaError
from flotilla.stack import ConfigError, load_stack_file, parse_fleet
from flotilla.stack.schema import SCHEMA_FILE, schema_text, stack_file_schema
from flotilla.stack.stackfile import fleet_sections
from flotilla.stack.stacks import OtherStacks


def problems(sections, base):
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections, base=base)
    return {problem.path: str(problem) for problem in caught.value.problems}


def test_the_smallest_fleet_is_valid(sections, project):
    fleet = parse_fleet(sections, base=project)
    assert [member.name for member in fleet.members] == ["member1", "member2"]
    assert [m.name for m in fleet.chosen(fleet.workloads[0].placement)] == ["member1", "member2"]


BROKEN = [
    ("members.0.lables", {}, "members[0].lables", "did you mean 'labels'?"),
    ("members.0.name", "Member_1", "members[0].name", "DNS label"),
    ("members.0.name", "m" * 53, "members[0].name", "at most 52"),
    ("members.0.name", "member2", "members[0].name", "must be unique"),
    ("members.0.apiEndpoint", "10.0.0.1:6443", "members[0].apiEndpoint", "write https://10.0.0.1:6443"),
    ("members.0.kubeconfig", "missing.yaml", "members[0].kubeconfig", "no such file"),
    ("members.0.kubeconfig", {"path": "kube.yaml", "context": "prod"}, "members[0].kubeconfig", "no context 'prod'"),
    ("members.0.kubeconfig", {}, "members[0].kubeconfig", "exactly one of 'path', 'inline' and 'cluster'"),
    ("members.0.provider", "my cloud", "members[0].provider", "valid label value"),
    ("members.0.labels", {"a b": "c"}, "members[0].labels", "label key 'a b'"),
    ("members.0.caBundle", "not pem", "members[0]", "must be PEM text"),
    ("members.0.taints", [{"key": "a", "effect": "PreferNoSchedule"}], "members[0].taints[0].effect", "NoSchedule"),
    ("controlPlane.version", "1.9.0", "controlPlane.version", "between 1.10 and 1.18"),
    ("controlPlane.version", "latest", "controlPlane.version", "must be a version"),
    ("workloads.0.placement.clusters", ["member9"], "workloads[0].placement.clusters[0]", "not a member"),
    ("workloads.0.placement.clusters", "member1", "workloads[0].placement.clusters", "valid"),
    ("workloads.0.placement.weights", {"member1": 1}, "workloads[0].placement", "while replicas are duplicated"),
    ("workloads.0.placement.labels", {"site": "edge"}, "workloads[0].placement", "chooses no member"),
    ("workloads.0.placement.exclude", ["member1"], "workloads[0].placement", "both in 'clusters' and in 'exclude'"),
    ("workloads.0.replicas", -1, "workloads[0].replicas", "greater than or equal to 0"),
    (
        "workloads.0.manifests",
        ["x.yaml"],
        "workloads[0]",
        "exactly one of 'image', 'manifests', 'chart', 'kustomize' and 'source'",
    ),
    ("workloads.0.overrides", [{"clusters": ["member1"]}], "workloads[0].overrides[0]", "changes nothing"),
    (
        "workloads.0.overrides",
        [{"clusters": ["member1"], "patches": [{"op": "replace", "path": "spec.replicas", "value": 1}]}],
        "workloads[0].overrides[0].patches[0].path",
        "write /spec/replicas",
    ),
    ("workloads.0.conflictResolution", "Force", "workloads[0].conflictResolution", "Abort"),
    ("workload", [], "workload", "not a known key"),
]


def put(sections, path, value):
    *steps, last = [int(s) if s.isdigit() else s for s in path.split(".")]
    stored = sections
    for step in steps:
        stored = stored[step]
    stored[last] = value


@pytest.mark.parametrize(("path", "value", "where", "what"), BROKEN, ids=[f"{b[0]}={b[1]}"[:60] for b in BROKEN])
def test_problem_of_a_stack_file_is_reported_with_its_key(sections, project, path, value, where, what):
    put(sections, path, value)
    found = problems(sections, project)
    assert where in found, found
    assert what in found[where]


def test_weights_must_fit_the_placement(sections, project):
    sections["workloads"][0]["placement"] = {"clusters": ["member1"], "replicas": "divided", "weights": {"member2": 1}}
    found = problems(sections, project)
    assert "doesn't choose it" in found["workloads[0].placement.weights.member2"]
    assert "has no weight for 'member1'" in found["workloads[0].placement.weights"]


def test_an_override_for_a_cluster_outside_the_placement_is_refused(sections, project):
    sections["workloads"][0]["placement"]["clusters"] = ["member1"]
    sections["workloads"][0]["overrides"] = [{"clusters": ["member2"], "image": {"tag": "1.28"}}]
    assert "doesn't choose it" in problems(sections, project)["workloads[0].overrides[0].clusters[0]"]


def test_all_problems_are_reported_at_once_and_an_invalid_member_is_not_also_unknown(sections, project):
    put(sections, "members.0.apiEndpoint", "nowhere")
    put(sections, "workloads.0.replicas", "many")
    put(sections, "controlPlane.version", "0.1")
    found = problems(sections, project)
    assert set(found) == {"members[0].apiEndpoint", "workloads[0].replicas", "controlPlane.version"}


def test_secrets_are_in_no_message(sections, project):
    secret = "apiVersion: v1\nusers: [hunter2]"
    put(sections, "members.0.kubeconfig", {"inline": secret, "path": "x", "contextt": "y"})
    put(sections, "members.1.kubeconfig", {"inline": secret})
    found = problems(sections, project)
    assert found
    assert "hunter2" not in json.dumps(found)


def test_an_inline_kubeconfig_stays_a_secret(sections, project):
    put(sections, "members.0.kubeconfig", {"inline": (project / "member1.yaml").read_text()})
    member = parse_fleet(sections, base=project).members[0]
    assert isinstance(member.kubeconfig.inline, SecretStr)
    assert "hunter2" not in repr(member)


def test_manifests_are_checked(sections, project):
    (project / "bad.yaml").write_text("kind: Deployment\n")
    (project / "other.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: elsewhere}\n")
    sections["workloads"] = [
        {"name": "a", "manifests": ["bad.yaml", "other.yaml", "gone.yaml"], "placement": {"clusters": ["member1"]}}
    ]
    found = problems(sections, project)
    assert "a document has no apiVersion, line 1" in found["workloads[0].manifests[0]"]
    assert "workloads[0].manifests[1]" not in found, "its namespace counts"
    assert "can't be read" in found["workloads[0].manifests[2]"]


def test_duplicate_key_is_refused(tmp_path):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  flotilla:members: []\n  flotilla:members: []\n")
    with pytest.raises(FlotillaError, match="occurs twice"):
        load_stack_file(file)


def test_missing_stack_file_is_reported_with_the_existing_stacks(tmp_path):
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    with pytest.raises(FlotillaError, match=r"stacks with a file: dev"):
        load_stack_file(tmp_path / "Pulumi.prod.yaml")


def test_encrypted_values_count_as_set(tmp_path):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(
        "config:\n  flotilla:controlPlane: {kubeconfig: {inline: {secure: v1:a:b}}}\n  flotilla:members: []\n"
    )
    assert load_stack_file(file, base=tmp_path).members == ()


def test_committed_schema_file_is_up_to_date(repository):
    assert (repository / SCHEMA_FILE).read_text() == schema_text(), "run `make schema`"


def test_the_schema_accepts_what_the_models_accept(sections):
    import jsonschema

    document = {"config": {f"flotilla:{key}": value for key, value in sections.items()}}
    jsonschema.validate(document, stack_file_schema())
    document["config"]["flotilla:members"][0]["lables"] = {}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, stack_file_schema())


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (
            "replicas",
            -1,
            "replicas: -1 — must be greater than or equal to 0; no plan could be made with it; increase it",
        ),
        ("replicas", "many", 'replicas: "many" — must be a valid integer'),
        (
            "conflictResolution",
            "Win",
            "must be 'Abort' or 'Overwrite'; no plan could be made with it; write one of these",
        ),
    ],
)
def test_malformed_value_is_reported_with_its_remedy(sections, project, key, value, said):
    sections["workloads"][0][key] = value
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections, base=project)
    assert said in str(caught.value)


def test_file_of_another_stack_is_read_once_and_each_reference_to_a_missing_stack_is_reported(tmp_path, monkeypatch):
    read = []

    def sections(file):
        read.append(file.name)
        return fleet_sections(file)

    monkeypatch.setattr("flotilla.stack.stacks.fleet_sections", sections)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.hosts.yaml").write_text('config: {"flotilla:clusters": [{"name": "one"}]}\n')
    found = []
    stacks = OtherStacks(tmp_path, found)
    assert [stacks.clusters("hosts", f"members[{place}]") for place in range(3)] == [{"one"}] * 3
    assert [stacks.clusters("gone", f"members[{place}]") for place in range(2)] == [set(), set()]
    assert read == ["Pulumi.hosts.yaml", "Pulumi.gone.yaml"]
    assert [problem.path for problem in found] == ["members[0]", "members[1]"]
