"""Clusters that a rollout holds back: `status`, `workloads` and the report say so."""

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
    """A workload whose change has reached its first cluster."""
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


def test_a_copy_that_is_held_back_says_so_whatever_its_health():
    """It said nothing where the old copy was healthy, and `suspended` where there was none yet."""
    found = reasons(copies_of(plane(kept(record("web")), healthy=["member1", "member2", "member3"])))
    assert found == {
        "member1": ("Healthy", ""),
        "member2": ("Healthy", "held back by the rollout (wave 2)"),
        "member3": ("Healthy", "held back by the rollout (wave 2)"),
        "member4": ("Pending", "held back by the rollout (wave 3)"),
    }


def test_the_report_and_the_status_say_it():
    status = fleet_status(plane(kept(record("web"))))
    items = {item.title: item.summary for item in fleet_report(status, stack="dev").sections[1].items}
    assert items["default/Deployment web in member4"] == "held back by the rollout (wave 3)"
    assert status.summary["copiesHealthy"] == 4


def test_no_record_is_read_where_nothing_is_suspended():
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
def test_a_copy_that_is_suspended_for_another_reason_is_suspended(found):
    copies = reasons(copies_of(plane(*found, healthy=[])))
    assert copies["member4"] == ("Pending", "suspended: Karmada sends nothing there")


def test_who_may_not_read_records_sees_the_copies_all_the_same():
    class Refusing(Plane):
        def list(self, api_version, kind, **more):
            if kind == "Secret":
                assert more["labels"] == f"{LABEL}=record"
                raise ApiError("secrets is forbidden", status=403, reason="Forbidden")
            return super().list(api_version, kind, **more)

    refusing = Refusing()
    refusing.objects = plane(healthy=[]).objects
    assert reasons(copies_of(refusing))["member4"] == ("Pending", "suspended: Karmada sends nothing there")
