"""Simulated pods: they run, they complete, and two image tags make them fail."""

import pytest

from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.objects import obj, pods

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]


def statuses(connection, namespace):
    found = {}
    for pod in connection.list("v1", "Pod", namespace=namespace):
        (container,) = (pod.get("status") or {}).get("containerStatuses") or [{}]
        found[container.get("image")] = (pod["status"].get("phase"), container)
    return found


def test_simulated_pods_run_and_two_image_tags_fail_with_the_status_of_a_kubelet(connection, namespace):
    for name, tag in (("runs", "1.27"), ("pulls", "broken"), ("crashes", "crash")):
        one = pods(name, namespace)
        one["spec"]["template"]["spec"]["containers"][0]["image"] = f"nginx:{tag}"
        connection.create(one, field_manager="test")
    job = pods("done", namespace)["spec"]["template"]
    job["spec"] |= {"restartPolicy": "Never"}
    job["spec"]["containers"][0]["image"] = "busybox:1"
    del job["metadata"]
    connection.create(obj("batch/v1", "Job", "done", namespace, spec={"template": job}), field_manager="test")
    found = {}

    def settled():
        found.clear()
        found.update(statuses(connection, namespace))
        return len(found) == 4 and None not in found and found["busybox:1"][0] == "Succeeded"

    eventually(settled, problem="not all pods have a status")
    phase, running = found["nginx:1.27"]
    assert (phase, running["ready"]) == ("Running", True)
    phase, pulling = found["nginx:broken"]
    assert (phase, pulling["ready"]) == ("Pending", False)
    assert pulling["state"]["waiting"] == {
        "reason": "ImagePullBackOff",
        "message": 'Back-off pulling image "nginx:broken"',
    }
    phase, crashing = found["nginx:crash"]
    assert (phase, crashing["ready"], crashing["restartCount"]) == ("Running", False, 1)
    assert crashing["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    nodes = connection.list("v1", "Node")
    assert all(
        {"type": "Ready", "status": "True"}.items() <= condition.items()
        for node in nodes
        for condition in node["status"]["conditions"]
        if condition["type"] == "Ready"
    )
    connection.delete(ObjectRef("apps/v1", "Deployment", "runs", namespace), propagation="Background")
    eventually(lambda: "nginx:1.27" not in statuses(connection, namespace), problem="a deleted pod stays")
