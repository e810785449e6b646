"""Kinds that get healthy only if a controller serves them, and the key `ready`, which says what `up` waits for.

The sandbox has no controllers of load balancers, ingresses or storage. The same cases run on real Karmada and on the
stand-in; each case continues with the stack of the one before.
"""

import time

import pytest
import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import leave, members, run_shared, shared_stack, verbs  # noqa: F401 - fixtures
from tests.contract.objects import pods

SPACE = "serving"  # not `default`, because the API server has its own Service there
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}},
}
INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "web"},
    "spec": {
        "ingressClassName": "nginx",
        "defaultBackend": {"service": {"name": "web", "port": {"number": 80}}},
    },
}
CLAIM = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "data"},
    "spec": {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "quick",
        "resources": {"requests": {"storage": "512Mi"}},
    },
}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "other"},
    "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "of-somebody-else"}}},
}
DEPLOYMENT = pods("web")
JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "migrate"},
    "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "busybox:1"}]}},
    },
}
UNSERVED = {
    "Ingress serving/web",
    "PersistentVolumeClaim serving/data",
    "PodDisruptionBudget serving/other",
    "Service serving/web",
}
APPLIED = dict.fromkeys(("Service", "Ingress", "PersistentVolumeClaim", "PodDisruptionBudget"), "applied")
NO_ADDRESS = "no load balancer address yet"


@pytest.fixture
def declare_workload(fleet, run_shared):  # noqa: F811 - the fixture
    """Write the stack file with the workload; the arguments replace its objects and add keys to it."""

    def declare(*objects, **more):
        (fleet.project / "apps").mkdir(exist_ok=True)
        manifests = objects or (SERVICE, INGRESS, CLAIM, BUDGET, DEPLOYMENT)
        (fleet.project / "apps" / "web.yaml").write_text(yaml.safe_dump_all([NAMESPACE, *manifests]))
        entry = {
            "name": "web",
            "namespace": SPACE,
            "manifests": ["apps/web.yaml"],
            "placement": {"clusters": ["member1", "member2"]},
        }
        run_shared.write(members("member1", "member2"), [{**entry, **more}])

    return declare


def set_address(fleet, cluster, ref, address="10.1.2.3"):
    """Set the address in an object's status, as a controller of the member would."""
    member = fleet.connection(cluster)
    path = member.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace) + "/status"
    body = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    member.request("PATCH", path, doing="giving an address", body=body, media="application/merge-patch+json")


SERVICE_REF = ObjectRef("v1", "Service", "web", SPACE)
INGRESS_REF = ObjectRef("networking.k8s.io/v1", "Ingress", "web", SPACE)


def workload_of(plan):
    (found,) = plan["workloads"]
    return found


def test_up_succeeds_before_its_timeout_with_objects_that_no_controller_serves(fleet, run_shared, declare_workload):  # noqa: F811
    """Earlier, `up` waited for its whole timeout and failed in every run, although all pods ran."""
    declare_workload(timeout=300)
    began = time.monotonic()
    run_shared("up", "--yes")
    assert time.monotonic() - began < 250, "not its whole timeout"
    plan = run_shared("preview", "--expect-no-changes")
    notices = [one for one in workload_of(plan)["notices"] if one["what"] == "unserved"]
    assert {one["template"] for one in notices} == UNSERVED
    assert {tuple(one["clusters"]) for one in notices} == {("member1", "member2")}
    run_shared("refresh", "--preview-only", "--expect-no-changes")
    run_shared("preview", "--refresh", "--expect-no-changes")
    assert run_shared("drift")["findings"] == []
    reasons = {w["workload"]: (w["health"], w["reason"]) for w in run_shared("status")["workloads"]}
    assert reasons["Service web"] == ("Unhealthy", NO_ADDRESS)
    assert reasons["Ingress web"] == ("Unhealthy", "no controller has given it an address yet")
    claim = "Pending, no volume is bound to it yet (storage class quick)"
    assert reasons["PersistentVolumeClaim data"] == ("Unhealthy", claim)
    assert reasons["PodDisruptionBudget other"] == ("Unhealthy", "0 of the 1 pod that it wants healthy")
    assert reasons["Deployment web"] == ("Healthy", "")


def test_up_does_not_wait_for_the_health_of_kinds_with_ready_applied(run_shared, declare_workload):  # noqa: F811
    declare_workload(timeout=300, ready=APPLIED)
    plan = run_shared("preview")
    texts = {one["what"]: one["text"] for one in workload_of(plan)["notices"]}
    assert "Service: applied" in texts["ready"]
    assert workload_of(plan)["verb"] == "stays"
    run_shared("up", "--yes")
    assert "notices" not in workload_of(run_shared("preview", "--expect-no-changes"))


def test_up_waits_for_kinds_with_ready_healthy_and_reports_why_they_are_not(fleet, run_shared, declare_workload):  # noqa: F811
    """Earlier, the only reason was the word `unhealthy`, and the next plan showed every object as new."""
    declare_workload(timeout=12, ready={**APPLIED, "Service": "healthy"})
    (failure,) = run_shared("up", "--yes", expect=1)["failures"]
    assert f"Service serving/web: member1: {NO_ADDRESS}; member2: {NO_ADDRESS}" in failure
    assert "Ingress" not in failure
    plan = run_shared("preview")
    assert [copy["verb"] for copy in workload_of(plan)["clusters"]] == ["stays", "stays"]
    assert "no object changes" in str(workload_of(plan)["notices"])
    assert {step["op"] for step in plan["steps"]} == {"same", "update"}
    again = run_shared("up", "--yes", expect=1)["failures"]
    assert again == [failure]

    set_address(fleet, "member1", SERVICE_REF)
    eventually(lambda: "member1" not in str(run_shared("drift", expect=3)["findings"]))
    (failure,) = run_shared("up", "--yes", expect=1)["failures"]
    assert f"Service serving/web: member2: {NO_ADDRESS}" in failure
    set_address(fleet, "member2", SERVICE_REF)
    declare_workload(timeout=60, ready={**APPLIED, "Service": "healthy"})
    run_shared("up", "--yes")
    run_shared("preview", "--refresh", "--expect-no-changes")


def test_up_waits_for_an_object_in_members_that_serve_another_one_of_its_kind(fleet, run_shared, declare_workload):  # noqa: F811
    second = {**SERVICE, "metadata": {"name": "second"}}
    ready = {kind: word for kind, word in APPLIED.items() if kind != "Service"}
    declare_workload(SERVICE, second, INGRESS, CLAIM, BUDGET, DEPLOYMENT, timeout=45, ready=ready)
    (failure,) = run_shared("up", "--yes", expect=1)["failures"]
    assert f"Service serving/second: member1: {NO_ADDRESS} (Service serving/web has one there)" in failure


def test_up_waits_for_declared_conditions_and_values_in_every_member(fleet, run_shared, declare_workload):  # noqa: F811
    """The Job needs a condition: Karmada doesn't assess the health of Jobs, so applied counts as healthy."""
    ready = {
        "Job/migrate": {"condition": "Complete"},
        "Ingress/web": {"jsonPath": "{.status.loadBalancer.ingress[0].ip}", "value": "10.9.9.9"},
        "Deployment": {"jsonPath": "{.status.readyReplicas}", "value": 1},
    }
    declare_workload(INGRESS, DEPLOYMENT, JOB, timeout=15, ready=ready)
    (failure,) = run_shared("up", "--yes", expect=1)["failures"]
    assert "Ingress serving/web: member1: no .status.loadBalancer.ingress[0].ip yet; member2: no .status" in failure
    assert "Deployment" not in failure
    for cluster, address in (("member1", "10.9.9.9"), ("member2", "10.0.0.1")):
        set_address(fleet, cluster, INGRESS_REF, address)
        complete(fleet, cluster)
    declare_workload(INGRESS, DEPLOYMENT, JOB, timeout=20, ready=ready)
    (failure,) = run_shared("up", "--yes", expect=1)["failures"]
    assert "Ingress serving/web: member2: .status.loadBalancer.ingress[0].ip is 10.0.0.1, wanted 10.9.9.9" in failure
    assert "Job" not in failure
    set_address(fleet, "member2", INGRESS_REF, "10.9.9.9")
    declare_workload(INGRESS, DEPLOYMENT, JOB, timeout=60, ready=ready)
    run_shared("up", "--yes")
    run_shared("preview", "--refresh", "--expect-no-changes")


def complete(fleet, cluster):
    """Set the pods of the Job to Succeeded until it is complete; simulated pods never end by themselves."""
    member = fleet.connection(cluster)
    ref = ObjectRef("batch/v1", "Job", "migrate", SPACE)

    def done():
        found = member.get(ref).get("status") or {}
        if any(one["type"] == "Complete" and one["status"] == "True" for one in found.get("conditions") or []):
            return True
        for pod in member.list("v1", "Pod", namespace=SPACE, labels="job-name=migrate"):
            path = member.resource("v1", "Pod").path(pod["metadata"]["name"], SPACE) + "/status"
            body = {"status": {"phase": "Succeeded"}}
            member.request("PATCH", path, doing="ending a pod", body=body, media="application/merge-patch+json")
        return False

    eventually(done, seconds=60)


def test_up_prints_a_line_about_what_it_waits_for(fleet, declare_workload, capsys, monkeypatch):
    """Earlier, `up` printed nothing while it waited."""
    from flotilla.cli.main import main

    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    declare_workload(CLAIM, timeout=12, ready={"PersistentVolumeClaim/data": "healthy"})
    assert main(["up", "-C", str(fleet.project), "--engine", "embedded", "--yes"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "rollout of web waits for" in line]
    claim = "PersistentVolumeClaim serving/data: Pending, no volume is bound to it yet (storage class quick)"
    assert any(line.strip() == f"… rollout of web waits for member1, member2: {claim}" for line in said), said
    assert len(said) <= 4
