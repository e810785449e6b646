"""Manual changes in every place that people can change: drift finds and names each, and `up` fixes its own objects.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import base64
from dataclasses import replace

import pytest

from flotilla.deploy.declared import declared
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.drift.check import Limits, check_drift
from flotilla.karmada.joining.join import access_role, controller_account
from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.kube.objects import ObjectRef, ref_of
from tests.contract.karmada import eventually
from tests.contract.main_job import NGINX, members, run_shared, shared_stack, verbs  # noqa: F401 - fixtures

RBAC = "rbac.authorization.k8s.io/v1"
TEMPLATE = ObjectRef("apps/v1", "Deployment", "nginx", "default")
NGINX_SELECTOR = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx"}
FLEET = [*members("member1", labels={"site": "core"}), *members("member2")]


def policy(kind, name, spec, namespace=None):
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": POLICY_API, "kind": kind, "metadata": meta, "spec": spec}


def binding(kind, name, role, namespace=None):
    subject = {"kind": "ServiceAccount", "name": controller_account("member1"), "namespace": "karmada-cluster"}
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    role_ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    return {"apiVersion": RBAC, "kind": kind, "metadata": meta, "roleRef": role_ref, "subjects": [subject]}


def orphan():
    labels = {"app": "orphan"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "nginx:1.27"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": pod}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "orphan"}, "spec": spec}


CHANGED = {
    "spec.replicas": (TEMPLATE, {"spec": {"replicas": 3}}),
    "spec.placement.clusterAffinity.clusterNames": (
        ObjectRef(POLICY_API, "PropagationPolicy", "nginx", "default"),
        {"spec": {"placement": {"clusterAffinity": {"clusterNames": ["member1"]}}}},
    ),
    "spec.resourceSelectors[0].name": (
        ObjectRef(POLICY_API, "OverridePolicy", "nginx", "default"),
        {"spec": {"resourceSelectors": [{**NGINX_SELECTOR, "name": "other"}]}},
    ),
    "metadata.labels.site": (ObjectRef(CLUSTER_API, "Cluster", "member1"), {"metadata": {"labels": {"site": "edge"}}}),
    "spec.impersonatorSecretRef.name": (
        ObjectRef(CLUSTER_API, "Cluster", "member1"),
        {"spec": {"impersonatorSecretRef": {"name": "another"}}},
    ),
    "data.token": (
        ObjectRef("v1", "Secret", "member2", "karmada-cluster"),
        {"data": {"token": base64.b64encode(b"not-the-token").decode()}},
    ),
    "spec.template.spec.containers[nginx].image": (
        TEMPLATE,
        {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "image": "nginx:kubectl-edit"}]}}}},
    ),
}
MADE = {
    "competing-policy PropagationPolicy": policy(
        "PropagationPolicy",
        "theirs",
        {"resourceSelectors": [NGINX_SELECTOR], "placement": {}, "priority": -1},
        "default",
    ),
    "competing-policy ClusterPropagationPolicy": policy(
        "ClusterPropagationPolicy",
        "theirs",
        {"resourceSelectors": [{**NGINX_SELECTOR, "namespace": "default"}], "placement": {}, "priority": -2},
    ),
    "foreign-override ClusterOverridePolicy": policy(
        "ClusterOverridePolicy",
        "theirs",
        {
            "resourceSelectors": [{**NGINX_SELECTOR, "namespace": "default"}],
            "overrideRules": [{"overriders": {"labelsOverrider": [{"operator": "add", "value": {"by": "somebody"}}]}}],
        },
    ),
    "template-unclaimed Deployment": {**orphan(), "metadata": {"name": "orphan", "namespace": "default"}},
}
MADE_IN_MEMBER1 = {
    "rights-widened ClusterRoleBinding": binding("ClusterRoleBinding", "wider", "view"),
    "rights-widened RoleBinding": binding("RoleBinding", "wider", "admin", "kube-system"),
    "copy-unwanted ConfigMap": {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "left", "namespace": "default", "labels": {"karmada.io/managed": "true"}},
    },
}
DELETED = (
    ("karmada", ObjectRef("v1", "Secret", "member1-impersonator", "karmada-cluster")),
    ("member2", ObjectRef("v1", "ServiceAccount", "karmada-impersonator", "karmada-cluster")),
    ("member2", ObjectRef(RBAC, "ClusterRoleBinding", access_role("member2"))),
)


@pytest.fixture
def run(run_shared):  # noqa: F811
    """Run verbs; the members stay joined until the last case of the file."""
    return run_shared


@pytest.fixture
def nginx_everywhere(run):
    run.write(FLEET, [NGINX])
    run("up", "--yes")


def clean(run):
    return run("drift")["clean"]


def test_a_clean_fleet_has_no_drift(nginx_everywhere, run, fleet):
    for _ in range(5):
        assert clean(run)
    # A field that another manager adds to an object of the stack is no drift.
    fleet.connection("karmada").patch(TEMPLATE, {"metadata": {"labels": {"added": "by-others"}}})
    for _ in range(5):
        assert clean(run)


def look(fleet, change=lambda found: found):
    """Check drift in this process; `change` modifies what the state declares."""
    stack = open_stack(EngineName.EMBEDDED, Setting(fleet.project, "sandbox"))
    return check_drift(change(declared(stack.snapshot())), Limits(second_look=0.5))


def test_a_member_that_does_not_answer_is_reported_as_unknown_without_findings(nginx_everywhere, fleet):
    def cut_off(found):
        text = found.kubeconfigs["member2"].replace(fleet.connection("member2").server, "https://127.0.0.1:1")
        return replace(found, kubeconfigs={**found.kubeconfigs, "member2": text})

    report = look(fleet, cut_off)
    assert report.findings == ()
    assert [one.cluster for one in report.unknown] == ["member2"]
    assert "connection refused" in report.unknown[0].reason
    assert not report.clean


def test_manual_changes_are_found_in_every_cluster(nginx_everywhere, run, fleet):
    karmada, member1 = fleet.connection("karmada"), fleet.connection("member1")
    for ref, change in CHANGED.values():
        karmada.patch(
            ref, change, kind="strategic" if ref == TEMPLATE else "merge", query={"fieldManager": "kubectl-edit"}
        )
    fleet.connection("member1").patch(
        ObjectRef(RBAC, "ClusterRole", access_role("member1")),
        [{"op": "remove", "path": "/rules/1"}],
        kind="json",
        query={"fieldManager": "kubectl-edit"},
    )
    try:
        for obj in MADE.values():
            karmada.apply(obj, field_manager="kubectl-edit")
        for obj in MADE_IN_MEMBER1.values():
            member1.apply(obj, field_manager="kubectl-edit")
        for cluster, ref in DELETED:
            fleet.connection(cluster).delete(ref)
        _check_findings_and_fix(run)
    finally:
        for connection, made in ((karmada, MADE), (member1, MADE_IN_MEMBER1)):
            for obj in made.values():
                connection.delete(ref_of(obj))
    eventually(lambda: not look(fleet).findings)


def _check_findings_and_fix(run):
    report = run("drift", expect=3)
    seen = {(f["rule"], f["cluster"], f["object"], f.get("path", "")): f for f in report["findings"]}
    for path, (ref, _) in CHANGED.items():
        finding = seen["object-changed", "karmada", str(ref), path]
        assert finding["manager"] == "kubectl-edit"
        assert finding["mend"] == "up"
    assert seen["object-changed", "karmada", str(TEMPLATE), "spec.replicas"]["found"] == 3
    assert seen["object-changed", "karmada", "Secret karmada-cluster/member2", "data.token"]["found"] == "[secret]"
    assert ("object-changed", "member1", f"ClusterRole {access_role('member1')}", "rules") in seen
    for cluster, ref in DELETED:
        assert ("object-missing", cluster, str(ref), "") in seen
    assert ("token-refused", "member2", "Secret karmada-cluster/member2", "") in seen
    manual = {(f["rule"], f["cluster"]) for f in report["findings"] if f["mend"] == "hand"}
    wanted = {(key.split()[0], "karmada") for key in MADE} | {(key.split()[0], "member1") for key in MADE_IN_MEMBER1}
    assert wanted <= manual, report["findings"]

    left = run("drift", "--fix", "--yes", expect=3)["findings"]
    assert {(f["rule"], f["cluster"]) for f in left} == wanted
    assert {f["mend"] for f in left} == {"hand"}
