"""Manifests of people: a folder of objects that were exported from a running cluster.

The same case runs on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import shutil
import time

import pytest
import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import KINDS, everything, members

SERVER = {
    "creationTimestamp": "2026-01-05T09:00:00Z",
    "generation": 7,
    "resourceVersion": "889912",
    "uid": "7d7d7d7d-0000-4000-8000-000000000002",
}
OWNER = {"apiVersion": "example.org/v1", "kind": "App", "name": "web", "uid": "7d7d7d7d-0000-4000-8000-000000000001"}
SERVICE = {
    "clusterIP": "10.96.7.7",
    "clusterIPs": ["10.96.7.7"],
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "ports": [{"port": 80, "protocol": "TCP", "targetPort": 8080}],
    "selector": {"app": "web"},
    "sessionAffinity": "None",
    "type": "ClusterIP",
}
PODS = {
    "metadata": {"creationTimestamp": None, "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "registry.example/web:1", "resources": {}}]},
}
KEPT = (*KINDS, ("v1", "Service"), ("v1", "ConfigMap"))


def exported(kind, api_version="v1", *, name="web", **body):
    metadata = {**SERVER, "name": name, **({"namespace": "exported"} if kind != "Namespace" else {})}
    if kind == "Deployment":
        metadata |= {"finalizers": ["example.org/hold"], "ownerReferences": [OWNER]}
        metadata |= {"annotations": {"deployment.kubernetes.io/revision": "7"}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}


@pytest.fixture
def apps(fleet):
    """A folder with the output of `kubectl get -o yaml`, other manifests, and a file that is no manifest."""
    folder = fleet.project / "apps"
    (folder / "more").mkdir(parents=True)
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": PODS,
        "progressDeadlineSeconds": 600,
    }
    listed = [
        exported("Namespace", name="exported", spec={"finalizers": ["kubernetes"]}, status={"phase": "Active"}),
        exported("Deployment", "apps/v1", spec=spec, status={"observedGeneration": 7, "replicas": 1}),
        exported("Service", spec=SERVICE, status={"loadBalancer": {}}),
    ]
    export = {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": listed}
    (folder / "export.yaml").write_text(yaml.safe_dump(export))
    account = exported("ServiceAccount", secrets=[{"name": "web-token-x7x7x"}])
    (folder / "account.yml").write_text(yaml.safe_dump(account))
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"colour": "blue"}}
    (folder / "more" / "settings.json").write_text(yaml.safe_dump(settings))
    (folder / "README.md").write_text("what this is")
    yield folder
    shutil.rmtree(folder)


def test_a_folder_of_exported_objects_is_deployed_without_drift_and_destroyed_completely(fleet, run, apps):
    """Earlier, the exported UID, address and revision made `up` fail, and `destroy` waited for the finalizer."""
    before = everything(fleet, KEPT)
    workload = {
        "name": "export",
        "namespace": "exported",
        "manifests": ["apps/", "apps/more/*.json"],
        "placement": {"clusters": ["member1", "member2"]},
        "timeout": 60,
    }
    run.write(members("member1", "member2"), [workload])
    (note,) = [text for text in run("validate")["notes"] if "exported" in text]
    assert "4 objects exported from a cluster" in note
    run("up", "--yes")
    for cluster in ("karmada", "member1", "member2"):
        copy = fleet.connection(cluster).find(ObjectRef("apps/v1", "Deployment", "web", "exported"))
        assert not {"finalizers", "ownerReferences"} & set(copy["metadata"])
        service = fleet.connection(cluster).find(ObjectRef("v1", "Service", "web", "exported"))
        assert service["spec"]["clusterIP"] != "10.96.7.7"
        assert fleet.connection(cluster).find(ObjectRef("v1", "ConfigMap", "settings", "exported"))

    run("preview", "--expect-no-changes")
    run("refresh", "--preview-only", "--expect-no-changes")
    time.sleep(fleet.rest_seconds)  # meanwhile controllers write statuses again
    run("preview", "--refresh", "--expect-no-changes")
    assert run("drift")["findings"] == []

    began = time.monotonic()
    run("destroy", "--yes")
    assert time.monotonic() - began < 120, "nothing waits for a finalizer"
    assert everything(fleet, KEPT) == before


def test_the_next_plan_creates_the_object_of_a_file_that_is_added_to_the_folder(fleet, run, apps):
    run.write(members("member1"), [{
        "name": "export", "namespace": "exported", "manifests": ["apps"], "placement": {"clusters": ["member1"]},
    }])  # fmt: skip
    run("up", "--yes")
    (apps / "more" / "settings.json").rename(apps / "settings.json")
    plan = run("preview")
    assert plan["summary"].get("create") == 1
    run("up", "--yes")
    assert fleet.connection("member1").find(ObjectRef("v1", "ConfigMap", "settings", "exported"))
    (apps / "settings.json").unlink()
    run("up", "--yes")
    settings = ObjectRef("v1", "ConfigMap", "settings", "exported")
    eventually(lambda: fleet.connection("member1").find(settings) is None)
