"""Drift on plain data: writers of fields, selectors, certificates, the declarations of a state, report formats."""

import base64
import datetime as dt
import json
from xml.etree.ElementTree import fromstring

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from flotilla.cli.drift import exit_code
from flotilla.deploy.declared import declared
from flotilla.drift.certificates import check_certificates
from flotilla.drift.findings import DriftReport, Finding, Layer, Remedy, Unknown, changed
from flotilla.drift.formats import FORMATS
from flotilla.drift.members import compare_sent
from flotilla.karmada.selection import selects
from flotilla.kube.objects import differences
from flotilla.kube.ownership import last_writer
from flotilla.state.checkpoint import ResourceState, Snapshot
from flotilla.state.values import Secret

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "nginx",
        "namespace": "default",
        "labels": {"app.example/tier": "web"},
        "managedFields": [
            {
                "manager": "flotilla",
                "time": "2026-01-01T00:00:00Z",
                "fieldsV1": {
                    "f:metadata": {"f:labels": {"f:app.example/tier": {}}},
                    "f:spec": {
                        "f:replicas": {},
                        "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}},
                    },
                },
            },
            {
                "manager": "kubectl-edit",
                "time": "2026-02-01T00:00:00Z",
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            },
            {
                "manager": "controller",
                "time": "2026-03-01T00:00:00Z",
                "subresource": "status",
                "fieldsV1": {"f:status": {}},
            },
        ],
    },
    "spec": {
        "replicas": 3,
        "template": {"spec": {"containers": [{"name": "side", "image": "s"}, {"name": "web", "image": "w"}]}},
    },
}


@pytest.mark.parametrize(
    ("path", "writer"),
    [
        (("spec", "replicas"), "kubectl-edit"),
        (("metadata", "labels", "app.example/tier"), "flotilla"),
        (("spec", "template", "spec", "containers", 1, "image"), "flotilla"),
        (
            ("spec", "paused"),
            "kubectl-edit",
        ),  # no owner: the last writer of anything but the status
    ],
)
def test_last_writer_of_a_field_is_found(path, writer):
    assert last_writer(DEPLOYMENT, path).manager == writer


def test_object_without_managed_fields_has_no_writer():
    assert last_writer({"metadata": {}}, ("spec",)).manager == ""


def test_paths_of_differences_can_be_formatted_and_followed():
    wanted = {"metadata": {"labels": {"app.example/tier": "db"}}, "spec": {"replicas": 2}}
    found = differences(wanted, DEPLOYMENT)
    assert [d.text for d in found] == ['metadata.labels["app.example/tier"]', "spec.replicas"]
    finding = changed(Layer.PLAN, "object-changed", "karmada", DEPLOYMENT, found[1], Remedy.UP)
    assert (finding.wanted, finding.found, finding.manager) == (2, 3, "kubectl-edit")


@pytest.mark.parametrize(
    ("selector", "namespace", "expected"),
    [
        ({"name": "nginx"}, "default", True),
        ({"name": "other"}, "default", False),
        ({}, "elsewhere", False),
        ({"labelSelector": {"matchLabels": {"app.example/tier": "web"}}}, None, True),
        ({"labelSelector": {"matchExpressions": [{"key": "app.example/tier", "operator": "Exists"}]}}, None, True),
        (
            {
                "labelSelector": {
                    "matchExpressions": [{"key": "app.example/tier", "operator": "NotIn", "values": ["web"]}]
                }
            },
            None,
            False,
        ),
        ({"namespace": "elsewhere"}, None, False),
        ({"kind": "Service"}, None, False),
    ],
)
def test_policy_selects_these_templates(selector, namespace, expected):
    policy = {
        "metadata": {"name": "p", **({"namespace": namespace} if namespace else {})},
        "spec": {"resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", **selector}]},
    }
    assert selects(policy, DEPLOYMENT) is expected


def kubeconfig(days):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=400))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    encoded = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    return yaml.safe_dump(
        {
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": "https://a", "certificate-authority-data": encoded}}],
            "users": [{"name": "a", "user": {"client-certificate-data": encoded, "client-key-data": encoded}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }
    )


@pytest.mark.parametrize(("days", "reported"), [(365, []), (20, ["expires", "expires"]), (-2, ["expired", "expired"])])
def test_certificates_that_expire_soon_are_reported(days, reported):
    found = check_certificates("member1", kubeconfig(days))
    assert [word for f in found for word in ("expires", "expired") if f" {word} on " in f.message] == reported
    assert all(f.remedy is Remedy.MANUAL for f in found)


PROVIDER = "urn:pulumi:s::p::pulumi:providers:kubernetes::member1-provider"


def test_declarations_are_read_from_a_state():
    def resource(kind, name, inputs, **more):
        return ResourceState(f"urn:pulumi:s::p::{kind}::{name}", custom=True, type=kind, inputs=inputs, **more)

    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": Secret({"a": "b"})}
    gone = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gone"}}
    found = declared(
        Snapshot(
            (
                resource("pulumi:providers:kubernetes", "member1-provider", {"kubeconfig": Secret("text")}),
                resource("kubernetes:core/v1:Secret", "s", secret, provider=f"{PROVIDER}::id"),
                resource("kubernetes:core/v1:ConfigMap", "gone", gone, provider=f"{PROVIDER}::id", delete=True),
            )
        )
    )
    assert found.kubeconfigs == {"member1": "text"}
    assert [obj["metadata"]["name"] for obj in found.objects["member1"]] == ["s"]
    assert found.objects["member1"][0]["data"] == {"a": "Yg=="}, "as the server keeps it"


class Holding:
    """A member with one object."""

    def __init__(self, obj):
        self.obj = obj

    def find(self, _ref):
        return self.obj


def test_copy_is_compared_with_the_fields_that_were_sent():
    sent = {**DEPLOYMENT, "metadata": {"name": "nginx", "namespace": "default"}, "spec": {"replicas": 2}}
    (finding,) = compare_sent(Holding(DEPLOYMENT), "member1", sent)
    assert (finding.rule, finding.path, finding.remedy) == ("copy-changed", "spec.replicas", Remedy.KARMADA)
    (missing,) = compare_sent(Holding(None), "member1", sent)
    assert missing.rule == "copy-missing"


def test_replicas_of_the_member_are_no_drift_if_the_label_retains_them():
    """The label counts in the sent manifest, and for Deployments only: for other kinds Karmada resets the replicas."""
    labels = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    metadata = {**DEPLOYMENT["metadata"], "labels": {**DEPLOYMENT["metadata"]["labels"], **labels}}
    live = {**DEPLOYMENT, "metadata": metadata}
    asked = {**live, "spec": {**DEPLOYMENT["spec"], "replicas": DEPLOYMENT["spec"]["replicas"] + 1}}
    assert compare_sent(Holding(live), "member1", asked) == []
    unlabelled = {**asked, "metadata": DEPLOYMENT["metadata"]}
    assert [one.path for one in compare_sent(Holding(live), "member1", unlabelled)] == ["spec.replicas"]
    other = {**asked, "kind": "StatefulSet"}
    assert [one.path for one in compare_sent(Holding({**live, "kind": "StatefulSet"}), "member1", other)] == [
        "spec.replicas"
    ]
    plain = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    assert compare_sent(Holding(plain), "member1", plain) == []


FOUND = Finding(
    Layer.PLAN,
    "object-changed",
    "karmada",
    "Deployment default/nginx",
    "spec.replicas is not as declared",
    "spec.replicas",
    2,
    3,
    "kubectl|scale",
    "2026-02-01T00:00:00Z",
)
AWAY = Unknown("member2", "no answer: 100% lost\nreally")
REPORT = DriftReport((FOUND,), (AWAY,), ("karmada", "member1", "member2"), 12)


def test_exit_codes_for_clean_drift_and_unknown():
    assert exit_code(DriftReport()) == 0
    assert exit_code(REPORT) == 3
    assert exit_code(DriftReport(unknown=(AWAY,))) == 1


def test_second_look_keeps_findings_that_both_looks_have():
    other = Finding(Layer.MEMBERS, "copy-missing", "member1", "ConfigMap a", "was sent and is not there")
    assert DriftReport((FOUND, other)).confirmed_by(DriftReport((FOUND,))).findings == (FOUND,)
    assert DriftReport((FOUND,)).confirmed_by(DriftReport((other,))).findings == ()


def test_github_commands_are_one_line_each():
    error, warning = FORMATS["github"](REPORT, "dev").splitlines()
    assert error.startswith("::error title=Flotilla drift%3A object-changed in karmada::Deployment default/nginx")
    assert "(wanted 2, found 3); last written by kubectl|scale" in error
    assert warning.endswith("::no answer: 100%25 lost really")


def test_gitlab_code_quality_has_stable_fingerprints():
    first, second = (json.loads(FORMATS["gitlab"](REPORT, "dev")) for _ in range(2))
    assert first == second
    assert {entry["check_name"] for entry in first} == {"object-changed", "cluster-unknown"}
    assert len({entry["fingerprint"] for entry in first}) == 2
    assert all(entry["location"]["path"] == "stacks/Pulumi.dev.yaml" for entry in first)


def test_junit_counts_unknown_as_an_error():
    suite = fromstring(FORMATS["junit"](REPORT, "dev").partition("\n")[2])  # noqa: S314 - our own text
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {"karmada": ["failure"], "member1": [], "member2": ["error"]}


def test_sarif_has_a_result_for_each_finding():
    (run,) = json.loads(FORMATS["sarif"](REPORT, "dev"))["runs"]
    assert [result["ruleId"] for result in run["results"]] == ["object-changed"]
    assert run["invocations"][0]["executionSuccessful"] is False


def test_markdown_table_is_not_broken_by_its_content():
    text = FORMATS["markdown"](REPORT, "dev")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {8}
    assert "`member2` **is unknown**: `no answer: 100% lost really`" in text
    assert "No drift: 0 objects in 0 clusters" in FORMATS["markdown"](DriftReport(), "dev")
