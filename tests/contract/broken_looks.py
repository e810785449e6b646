"""Drift and status while a member fails only for the stack, not for Karmada; drift after a failed rollout.

The stack's requests to member2 go through a proxy that makes them fail; Karmada connects to member2 directly.
"""

import time

import pytest

from flotilla.kube.objects import ref_of
from tests.contract.broken import proxied  # noqa: F401 - a fixture: member2 stays joined through it
from tests.contract.main_job import NGINX, run, verbs  # noqa: F401 - fixtures
from tests.faults import hang, login_page

EVERYWHERE = {**NGINX, "replicas": 1, "timeout": 60}
WIDER = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "ClusterRoleBinding",
    "metadata": {"name": "for-a-while"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    "subjects": [{"kind": "Group", "name": "system:serviceaccounts:karmada-cluster"}],
}


def test_drift_after_an_up_that_failed_reports_the_unhealthy_copy(fleet, run):  # noqa: F811
    """The wait for the rollout failed, so the state has no Rollout; drift checks its workload nevertheless."""
    starved = {**EVERYWHERE, "timeout": 10, "resources": {"requests": {"cpu": "4000"}}}
    run.write([{"name": "member1"}, {"name": "member2"}], [starved])
    run("up", "--yes", expect=1)
    found = run("drift", expect=3)
    assert {one["rule"] for one in found["findings"]} == {"not-healthy"}
    assert {one["object"] for one in found["findings"]} == {"Deployment default/nginx"}


@pytest.mark.parametrize("fault", [hang(agent="^flotilla"), login_page(agent="^flotilla")], ids=["hangs", "login page"])
def test_drift_and_status_name_a_broken_member_and_show_the_others(fleet, proxied, verbs, fault):  # noqa: F811
    verbs.write([{"name": "member1"}, proxied.entry], [EVERYWHERE])
    verbs("up", "--yes")
    assert verbs("drift")["clean"] is True, proxied.report()
    try:
        proxied.fail(fault)
        began = time.monotonic()
        found = verbs("drift", expect=1)
        assert [one["cluster"] for one in found["unknown"]] == ["member2"], found
        seen = verbs("status")
        assert list(seen["unanswered"]) == ["member2"]
        assert {member["name"]: member["ready"] for member in seen["members"]} == {"member1": True, "member2": True}
        assert time.monotonic() - began < 60
        fleet.connection("member1").create(WIDER, field_manager="kubectl-edit")  # which no controller reverts
        found = verbs("drift", expect=3)
        assert [one["cluster"] for one in found["unknown"]] == ["member2"]
        assert [(one["rule"], one["cluster"]) for one in found["findings"]] == [("rights-widened", "member1")]
    finally:
        proxied.clear()
        fleet.connection("member1").delete(ref_of(WIDER))
