"""Clusters of a control plane become members; Karmada's version and installer are recognised."""

import base64
import json

import pytest

from flotilla.adopt.compose import Wanted, adopt
from flotilla.adopt.members import is_default_models, member_of
from flotilla.adopt.model import Credentials, MemberFacts, Report
from flotilla.adopt.version import installed_by, patch_release, version_of
from flotilla.karmada.joining import agent
from flotilla.karmada.versions import Version
from flotilla.stack.members import Member
from tests.unit.adopting import Adoption, cluster, found_of

ACCOUNT = Credentials(account="karmada-cluster/karmada-member1")


def read(spec=None, *, facts=None, credentials=ACCOUNT, version="1.18.2", taints=(), **metadata):
    """Return the member entry for a Cluster, and the fields that are left out."""
    report = Report()
    known = facts or MemberFacts("member1.yaml", server="https://member1:6443", authority="Q0E=")
    keys = member_of(
        cluster("member1", spec=spec, **metadata), known, credentials, version=version, taints=taints, report=report
    )
    Member.model_validate(keys)
    return keys, [one.what for one in report.left_out]


def test_member_with_defaults_has_only_a_name_and_a_kubeconfig():
    assert read() == ({"name": "member1", "kubeconfig": "member1.yaml"}, [])


def test_every_field_of_a_cluster_with_a_key_is_read():
    spec = {
        "syncMode": "Push",
        "id": "uid",
        "apiEndpoint": "https://outside:6443",
        "provider": "aws",
        "region": "eu",
        "zones": ["a", "b"],
        "proxyURL": "http://proxy:3128",
        "taints": [
            {"key": "site", "value": "edge", "effect": "NoSchedule"},
            {"key": "lost", "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"},
        ],
    }
    keys, left = read(
        spec,
        facts=MemberFacts("all.yaml", "one", "https://inside:6443", authority="b3RoZXI="),
        credentials=Credentials(base64.b64encode(b"-----BEGIN CERTIFICATE-----\n").decode(), "joins/karmada-member1"),
        labels={"tier": "front"},
    )
    assert left == []
    assert keys == {
        "name": "member1",
        "kubeconfig": {"path": "all.yaml", "context": "one"},
        "apiEndpoint": "https://outside:6443",
        "labels": {"tier": "front"},
        "provider": "aws",
        "region": "eu",
        "zones": ["a", "b"],
        "taints": [{"key": "site", "value": "edge", "effect": "NoSchedule"}, {"key": "lost", "effect": "NoExecute"}],
        "caBundle": "-----BEGIN CERTIFICATE-----\n",
        "proxyUrl": "http://proxy:3128",
        "namespace": "joins",
    }


def test_deprecated_zone_becomes_an_entry_of_zones():
    assert read({"zone": "eu-a"})[0]["zones"] == ["eu-a"]


def test_fields_that_karmada_sets_are_left_out():
    taints = [
        {"key": "cluster.karmada.io/not-ready", "effect": "NoSchedule"},
        {"key": "by-policy", "effect": "NoSchedule"},
    ]
    keys, left = read({"taints": taints}, taints=[("by-policy", "NoSchedule")])
    assert "taints" not in keys
    assert left == ["Cluster member1: taint by-policy:NoSchedule"]


def models(*bounds):
    return [
        {"grade": grade, "ranges": [{"name": "cpu", "min": c, "max": d}, {"name": "memory", "min": m, "max": n}]}
        for grade, (c, d, m, n) in enumerate(bounds)
    ]


DEFAULT_MODELS = models(
    ("0", "1", "0", "4Gi"),
    ("1", "2", "4Gi", "16Gi"),
    ("2", "4", "16Gi", "32Gi"),
    ("4", "8", "32Gi", "64Gi"),
    ("8", "16", "64Gi", "128Gi"),
    ("16", "32", "128Gi", "256Gi"),
    ("32", "64", "256Gi", "512Gi"),
    ("64", "128", "512Gi", "1Ti"),
    ("128", "9223372036854775807", "1Ti", "9223372036854775807"),
)


def test_default_resource_models_are_left_out_and_others_are_reported():
    assert is_default_models(DEFAULT_MODELS)
    assert read({"resourceModels": DEFAULT_MODELS})[1] == []
    own = models(("0", "2", "0", "8Gi"), ("2", "9223372036854775807", "8Gi", "9223372036854775807"))
    assert read({"resourceModels": own})[1] == ["Cluster member1: spec.resourceModels"]


def test_field_without_a_key_is_reported():
    _, left = read({"proxyHeader": {"a": "b"}}, annotations={"note": "x", "pulumi.com/waitFor": "condition=Ready"})
    assert left == ["Cluster member1: spec.proxyHeader", "Cluster member1: annotation note"]


def deployment(**more):
    return agent.deployment("member1", version="1.18.2", endpoint="--x", identity="", **more)


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        (deployment(), None),
        (deployment(namespace="agents", replicas=2), {"namespace": "agents", "replicas": 2}),
        (deployment(image_name="mirror/agent:1"), {"image": "mirror/agent:1"}),
        (deployment(resources={"limits": {"cpu": "1"}}), {"resources": {"limits": {"cpu": "1"}}}),
    ],
)
def test_agent_is_declared_by_its_differences_from_the_default_agent(found, keys):
    facts = MemberFacts("member1.yaml", server="https://member1:6443", agents=(found,))
    entry, _ = read({"syncMode": "Pull"}, facts=facts)
    assert entry["mode"] == "Pull"
    assert entry.get("agent") == keys


def test_agent_of_karmadactl_is_kept_and_its_certificate_is_reported():
    """The stack's own Deployment would restart the agent's pod, with another certificate."""
    found = deployment(namespace="agents")
    del found["spec"]["template"]["metadata"]["annotations"]
    facts = MemberFacts("member1.yaml", server="https://member1:6443", agents=(found,))
    report = Report()
    more = {"version": "1.18.2", "taints": (), "report": report}
    keys = member_of(cluster("member1", spec={"syncMode": "Pull"}), facts, ACCOUNT, **more)
    assert Member.model_validate(keys).agent.as_found
    assert keys["agent"] == {"asFound": True, "namespace": "agents"}
    assert "certificate that nobody renews" in report.notes[0]


def test_interrupted_join_is_found_by_its_secrets_and_declared_with_a_kubeconfig(tmp_path):
    found = found_of([], [cluster("member1")], unfinished=frozenset({"member2"}))
    adoption = Adoption(tmp_path, found)
    assert ("join-unfinished", "member member2") in adoption.rules
    (tmp_path / "member2.yaml").write_text((tmp_path / "member1.yaml").read_text().replace(":2", ":9"))
    facts = {name: MemberFacts(f"{name}.yaml") for name in ("member1", "member2")}
    adopted = adopt(found, facts, Wanted("adopted/other", "kube.yaml", version="1.18"), project=tmp_path)
    assert [one["name"] for one in adopted.sections["members"]] == ["member1", "member2"]
    assert [note for note in adopted.report.notes if "member2: its join stopped" in note]
    assert adopted.report.findings == []


def test_member_without_a_kubeconfig_gets_a_placeholder_and_a_report_line(tmp_path):
    adoption = Adoption(tmp_path, found_of([], [cluster("member1")]), placeholders=True)
    (member,) = adoption.sections["members"]
    assert member["kubeconfig"] == "kubeconfigs/member1.yaml"
    assert [note for note in adoption.report["notes"] if "placeholder" in note and "member1" in note]


def test_agent_with_an_unknown_image_is_reported(tmp_path):
    found = found_of([], [cluster("member1", spec={"syncMode": "Pull"})])
    notes = Adoption(tmp_path, found, version="1.18").report["notes"]
    assert [note for note in notes if "--karmada-version" in note]
    notes = Adoption(tmp_path, found, version="1.18.2").report["notes"]
    assert [note for note in notes if "--karmada-version" in note] == []


# -- Karmada itself ---------------------------------------------------------------------------------------------------

MARKS = {
    "1.11": ("policies", "suspension"),
    "1.12": ("policies", "preserveResourcesOnDeletion"),
    "1.13": ("policies", "schedulePriority"),
    "1.14": ("taints", ""),
    "1.15": ("policies", "failover.cluster"),
    "1.16": ("policies", ""),
    "1.17": ("policies", "placement.workloadAffinity"),
    "1.18": ("policies", "placement.clusterAffinities.*.overflowAffinities"),
}
GENERATOR = "controller-gen.kubebuilder.io/version"
NAMES = {
    "policies": "propagationpolicies.policy.karmada.io",
    "taints": "clustertaintpolicies.policy.karmada.io",
}


def definitions(version):
    """Return definitions with the fields of this Karmada version and of all versions before it."""
    fields = {"policies": ["resourceSelectors"]}
    for since, (name, path) in MARKS.items():
        if Version.parse(since) <= Version.parse(version):
            fields.setdefault(name, []).append(path)
    generator = {GENERATOR: "v0.19.0" if Version.parse(version) >= Version(1, 16) else "v0.18.0"}
    return [
        {
            "metadata": {"name": NAMES[name], "annotations": generator},
            "spec": {"versions": [{"schema": {"openAPIV3Schema": schema(paths)}}]},
        }
        for name, paths in fields.items()
    ]


def schema(paths):
    root = {}
    for path in filter(None, paths):
        place = root.setdefault("properties", {}).setdefault("spec", {})
        for step in path.split("."):
            place = (
                place.setdefault("items", {})
                if step == "*"
                else place.setdefault("properties", {}).setdefault(step, {})
            )
    return root


@pytest.mark.parametrize("version", ["1.10", *MARKS])
def test_version_is_derived_from_the_fields_of_the_definitions(version, tmp_path):
    assert str(version_of(definitions(version))) == version
    adoption = Adoption(tmp_path, found_of([], [], definitions=tuple(definitions(version))), version="")
    assert adoption.sections["controlPlane"]["version"] == version
    assert f"Karmada {version}" in json.dumps(adoption.report)


def test_version_is_unknown_without_definitions(tmp_path):
    assert version_of([]) is None
    whatever = {"metadata": {"name": NAMES["policies"]}, "spec": {"versions": [{"schema": {"openAPIV3Schema": {}}}]}}
    assert version_of([whatever]) is None
    assert "version" not in Adoption(tmp_path, found_of([], []), version="").sections["controlPlane"]


@pytest.mark.parametrize(
    ("manager", "said"),
    [("karmadactl", "karmadactl init"), ("karmada-operator", "its operator"), ("kubectl-client-side-apply", "Helm")],
)
def test_installer_of_karmada_is_derived_from_its_webhooks(manager, said):
    config = {"metadata": {"name": "mutating-config", "managedFields": [{"manager": manager}]}}
    assert said in installed_by([config])
    assert installed_by([]) == ""


def test_image_of_an_agent_gives_the_patch_release():
    facts = [MemberFacts(agents=(deployment(image_name="mirror.example:5000/karmada-agent:v1.18.1"),))]
    assert patch_release("1.18", facts) == "1.18.1"
    assert patch_release("1.17", facts) == "1.17", "the agent may be another one than its control plane"
    assert patch_release("1.18", [MemberFacts(agents=(deployment(image_name="agent@sha256:1"),))]) == "1.18"
