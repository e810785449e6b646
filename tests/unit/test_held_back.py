"""Clusters that a rollout holds back are marked in `status`, `workloads` and the report."""

import pytest

from flotilla.karmada.waves.record import LABEL, Phase
from flotilla.kube.connection import ApiError
from flotilla.observe.fleet import fleet_status
from flotilla.observe.workloads import copies_of
from flotilla.report.build import fleet_report
from tests.unit.planes import Plane, binding, cluster, live, web, work
from tests.unit.waves import kept, record

NAMES = ("member1", "member2", "member3", "member4")
CLAIMED = {"propagationpolicy.karmada.io/name": "web", "propagationpolicy.karmada.io/namespace": "default"}


def plane(*objects, healthy=NAMES, suspended=NAMES[1:]):
    """A control plane with a workload whose change has reached its first cluster."""
    template = web()
    bound = binding(template, list(NAMES), healthy=list(healthy))
    bound["metadata"]["annotations"] = CLAIMED
    works = [
        work(template, name, identity="id-web", **({"suspendDispatching": True} if name in suspended else {}))
        for name in NAMES
    ]
    return Plane(*(cluster(name) for name in NAMES), live(template), bound, *works, *objects)


def reasons(found):
    return {copy.cluster: (copy.health, copy.reason) for copy in found}


def test_held_back_copy_is_reported_whatever_its_health():
    """Regression: nothing was reported if the old copy was healthy, and `suspended` if there was no copy yet."""
    found = reasons(copies_of(plane(kept(record("web")), healthy=["member1", "member2", "member3"])))
    assert found == {
        "member1": ("Healthy", ""),
        "member2": ("Healthy", "held back by the rollout (wave 2)"),
        "member3": ("Healthy", "held back by the rollout (wave 2)"),
        "member4": ("Pending", "held back by the rollout (wave 3)"),
    }


def test_report_and_status_show_held_back_clusters():
    status = fleet_status(plane(kept(record("web"))))
    items = {item.title: item.summary for item in fleet_report(status, stack="dev").sections[1].items}
    assert items["default/Deployment web in member4"] == "held back by the rollout (wave 3)"
    assert status.summary["copiesHealthy"] == 4


def test_records_are_not_read_if_no_work_is_suspended():
    quiet = plane(kept(record("web")), suspended=())
    assert {reason for _, reason in reasons(copies_of(quiet)).values()} == {""}
    assert quiet.asked["list", "Secret"] == 0
    busy = plane(kept(record("web")))
    copies_of(busy)
    assert busy.asked["list", "Secret"] == 1


@pytest.mark.parametrize(
    "found",
    [
        [],
        [kept(record("web", phase=Phase.REVERTED))],
        [kept(record("other"))],
        [kept(record("web", policies=(("PropagationPolicy", "elsewhere", "web"),)))],
    ],
    ids=["no record", "taken back", "another workload's", "another namespace's"],
)
def test_copy_suspended_for_another_reason_is_shown_as_suspended(found):
    copies = reasons(copies_of(plane(*found, healthy=[])))
    assert copies["member4"] == ("Pending", "suspended: Karmada sends nothing there")


def test_copies_are_shown_without_the_right_to_read_records():
    class Refusing(Plane):
        def list(self, api_version, kind, **more):
            if kind == "Secret":
                assert more["labels"] == f"{LABEL}=record"
                raise ApiError("secrets is forbidden", status=403, reason="Forbidden")
            return super().list(api_version, kind, **more)

    refusing = Refusing()
    refusing.objects = plane(healthy=[]).objects
    assert reasons(copies_of(refusing))["member4"] == ("Pending", "suspended: Karmada sends nothing there")
