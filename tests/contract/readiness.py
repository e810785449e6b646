"""Kinds that get healthy only where somebody serves them, and what a stack says of how far objects have to get.

In the sandbox nobody balances loads, controls ingresses or provides storage. The same cases run on real Karmada and on
the stand-in; each goes on from the one before.
"""

import time

import pytest
import yaml

from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import going_on, leave, members, staying, verbs  # noqa: F401 - fixtures
from tests.contract.objects import pods

SPACE = "serving"  # not `default`, where each API server has a Service of its own
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
def asked(fleet, going_on):  # noqa: F811 - the fixture
    """Declare the workload; what it needs beside its defaults is given."""

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
        going_on.write(members("member1", "member2"), [{**entry, **more}])

    return declare


def addressed(fleet, cluster, ref, address="10.1.2.3"):
    """Give an object an address, as a controller of its member would."""
    member = fleet.connection(cluster)
    path = member.resource(ref.api_version, ref.kind).path(ref.name, ref.namespace) + "/status"
    body = {"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}
    member.request("PATCH", path, doing="giving an address", body=body, media="application/merge-patch+json")


SERVICE_REF = ObjectRef("v1", "Service", "web", SPACE)
INGRESS_REF = ObjectRef("networking.k8s.io/v1", "Ingress", "web", SPACE)


def workload_of(plan):
    (found,) = plan["workloads"]
    return found


def test_what_nobody_serves_ends_in_bounded_time_and_is_no_failure(fleet, going_on, asked):  # noqa: F811
    """Everything ran, and `up` waited for its whole timeout and failed, at every run."""
    asked(timeout=300)
    began = time.monotonic()
    going_on("up", "--yes")
    assert time.monotonic() - began < 250, "not its whole timeout"
    plan = going_on("preview", "--expect-no-changes")
    notices = [one for one in workload_of(plan)["notices"] if one["what"] == "unserved"]
    assert {one["template"] for one in notices} == UNSERVED
    assert {tuple(one["clusters"]) for one in notices} == {("member1", "member2")}
    going_on("refresh", "--preview-only", "--expect-no-changes")
    going_on("preview", "--refresh", "--expect-no-changes")
    assert going_on("drift")["findings"] == []
    reasons = {w["workload"]: (w["health"], w["reason"]) for w in going_on("status")["workloads"]}
    assert reasons["Service web"] == ("Unhealthy", NO_ADDRESS)
    assert reasons["Ingress web"] == ("Unhealthy", "no controller has given it an address yet")
    claim = "Pending, no volume is bound to it yet (storage class quick)"
    assert reasons["PersistentVolumeClaim data"] == ("Unhealthy", claim)
    assert reasons["PodDisruptionBudget other"] == ("Unhealthy", "0 of the 1 pod that it wants healthy")
    assert reasons["Deployment web"] == ("Healthy", "")


def test_what_is_only_to_be_applied_is_done_at_once(going_on, asked):  # noqa: F811
    asked(timeout=300, ready=APPLIED)
    plan = going_on("preview")
    texts = {one["what"]: one["text"] for one in workload_of(plan)["notices"]}
    assert "Service: applied" in texts["ready"]
    assert workload_of(plan)["verb"] == "stays"
    going_on("up", "--yes")
    assert "notices" not in workload_of(going_on("preview", "--expect-no-changes"))


def test_what_has_to_be_healthy_is_waited_for_and_named_in_words(fleet, going_on, asked):  # noqa: F811
    """The reason was the word `unhealthy`, and the next plan showed every object as new."""
    asked(timeout=12, ready={**APPLIED, "Service": "healthy"})
    (failure,) = going_on("up", "--yes", expect=1)["failures"]
    assert f"Service serving/web: member1: {NO_ADDRESS}; member2: {NO_ADDRESS}" in failure
    assert "Ingress" not in failure
    plan = going_on("preview")
    assert [copy["verb"] for copy in workload_of(plan)["clusters"]] == ["stays", "stays"]
    assert "no object changes" in str(workload_of(plan)["notices"])
    assert {step["op"] for step in plan["steps"]} == {"same", "update"}
    again = going_on("up", "--yes", expect=1)["failures"]
    assert again == [failure]

    addressed(fleet, "member1", SERVICE_REF)
    eventually(lambda: "member1" not in str(going_on("drift", expect=3)["findings"]))
    (failure,) = going_on("up", "--yes", expect=1)["failures"]
    assert f"Service serving/web: member2: {NO_ADDRESS}" in failure
    addressed(fleet, "member2", SERVICE_REF)
    asked(timeout=60, ready={**APPLIED, "Service": "healthy"})
    going_on("up", "--yes")
    going_on("preview", "--refresh", "--expect-no-changes")


def test_where_a_kind_is_served_the_next_object_of_it_is_waited_for(fleet, going_on, asked):  # noqa: F811
    second = {**SERVICE, "metadata": {"name": "second"}}
    ready = {kind: word for kind, word in APPLIED.items() if kind != "Service"}
    asked(SERVICE, second, INGRESS, CLAIM, BUDGET, DEPLOYMENT, timeout=45, ready=ready)
    (failure,) = going_on("up", "--yes", expect=1)["failures"]
    assert f"Service serving/second: member1: {NO_ADDRESS} (Service serving/web has one there)" in failure


def test_conditions_and_values_of_what_members_report(fleet, going_on, asked):  # noqa: F811
    """A Job is done when it is complete: for Karmada, which doesn't judge Jobs, it is once it is applied."""
    ready = {
        "Job/migrate": {"condition": "Complete"},
        "Ingress/web": {"jsonPath": "{.status.loadBalancer.ingress[0].ip}", "value": "10.9.9.9"},
        "Deployment": {"jsonPath": "{.status.readyReplicas}", "value": 1},
    }
    asked(INGRESS, DEPLOYMENT, JOB, timeout=15, ready=ready)
    (failure,) = going_on("up", "--yes", expect=1)["failures"]
    assert "Ingress serving/web: member1: no .status.loadBalancer.ingress[0].ip yet; member2: no .status" in failure
    assert "Deployment" not in failure
    for cluster, address in (("member1", "10.9.9.9"), ("member2", "10.0.0.1")):
        addressed(fleet, cluster, INGRESS_REF, address)
        complete(fleet, cluster)
    asked(INGRESS, DEPLOYMENT, JOB, timeout=20, ready=ready)
    (failure,) = going_on("up", "--yes", expect=1)["failures"]
    assert "Ingress serving/web: member2: .status.loadBalancer.ingress[0].ip is 10.0.0.1, wanted 10.9.9.9" in failure
    assert "Job" not in failure
    addressed(fleet, "member2", INGRESS_REF, "10.9.9.9")
    asked(INGRESS, DEPLOYMENT, JOB, timeout=60, ready=ready)
    going_on("up", "--yes")
    going_on("preview", "--refresh", "--expect-no-changes")


def complete(fleet, cluster):
    """Let the pods of the Job end, as their containers would; simulated ones run for ever."""
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


def test_a_line_says_what_is_waited_for(fleet, asked, capsys, monkeypatch):
    """Nothing was said while `up` waited."""
    from flotilla.cli.main import main

    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    asked(CLAIM, timeout=12, ready={"PersistentVolumeClaim/data": "healthy"})
    assert main(["up", "-C", str(fleet.project), "--engine", "embedded", "--yes"]) == 1
    said = [line for line in capsys.readouterr().err.splitlines() if "rollout of web waits for" in line]
    claim = "PersistentVolumeClaim serving/data: Pending, no volume is bound to it yet (storage class quick)"
    assert any(line.strip() == f"… rollout of web waits for member1, member2: {claim}" for line in said), said
    assert len(said) <= 4
