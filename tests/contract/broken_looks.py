"""Drift and looks while a member is broken for us and Karmada still calls it Ready; drift after a failed rollout.

Requests of the stack to member2 go through a proxy that fails them; Karmada reaches it directly.
"""

import time

import pytest

from flotilla.kube.objects import ref_of
from tests.contract.broken import direct
from tests.contract.main_job import NGINX, run, verbs  # noqa: F401 - fixtures
from tests.faults import FaultProxy, hang, login_page

EVERYWHERE = {**NGINX, "replicas": 1, "timeout": 60}
WIDER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "for-a-while"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "Group", "name": "system:serviceaccounts:karmada-cluster"}],
}


@pytest.fixture
def proxy(fleet, tmp_path):
    """member2 behind a proxy, for the stack alone."""
    text = (fleet.kubeconfigs / "member2.yaml").read_text()
    with FaultProxy(text, tmp_path / "proxy", name="member2") as one:
        one.entry = direct(fleet, one)
        yield one
        one.clear()


@pytest.mark.parametrize("fault", [hang(agent="^flotilla"), login_page(agent="^flotilla")], ids=["hangs", "login page"])
def test_drift_and_status_name_a_broken_member_and_show_the_others(fleet, proxy, run, fault):  # noqa: F811
    run.write([{"name": "member1"}, proxy.entry], [EVERYWHERE])
    run("up", "--yes")
    assert run("drift")["clean"] is True, proxy.report()
    try:
        proxy.fail(fault)
        began = time.monotonic()
        found = run("drift", expect=1)
        assert [one["cluster"] for one in found["unknown"]] == ["member2"], found
        seen = run("status")
        assert list(seen["unanswered"]) == ["member2"]
        assert {member["name"]: member["ready"] for member in seen["members"]} == {"member1": True, "member2": True}
        assert time.monotonic() - began < 60
        fleet.connection("member1").create(WIDER, field_manager="by-hand")  # which nobody puts right
        found = run("drift", expect=3)
        assert [one["cluster"] for one in found["unknown"]] == ["member2"]
        assert [(one["rule"], one["cluster"]) for one in found["findings"]] == [("rights-widened", "member1")]
    finally:
        proxy.clear()
        fleet.connection("member1").delete(ref_of(WIDER))


def test_drift_after_an_up_that_failed_because_a_copy_is_not_healthy(fleet, run):  # noqa: F811
    """The rollout's wait failed, so that the state has no Rollout: its workload is judged all the same."""
    starved = {**EVERYWHERE, "timeout": 10, "resources": {"requests": {"cpu": "4000"}}}
    run.write([{"name": "member1"}, {"name": "member2"}], [starved])
    run("up", "--yes", expect=1)
    found = run("drift", expect=3)
    assert {one["rule"] for one in found["findings"]} == {"not-healthy"}
    assert {one["object"] for one in found["findings"]} == {"Deployment default/nginx"}
