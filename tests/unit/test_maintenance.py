"""Maintenance of members in a stack: what Karmada gets, which workloads leave or stay, and what is refused."""

import datetime as dt

import pytest

from components import cluster_identity
from components.cluster_identity import ClusterIdentityProvider
from flotilla.adopt.members import member_of
from flotilla.adopt.model import Credentials, MemberFacts, Report
from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.drift.propagation import check_clusters
from flotilla.karmada.cordons import CORDON, MAINTENANCE, maintenance_of, mode_of
from flotilla.karmada.joining import join
from flotilla.karmada.joining.cordoning import end_cordon
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube.connection import ApiError
from flotilla.kube.merge_keys import object_differences
from flotilla.observe.members import member_status
from flotilla.stack.fleet import facts
from flotilla.stack.load import parse_fleet
from flotilla.stack.notices import kept_out, notices
from flotilla.stack.problems import ConfigError
from flotilla.stack.specs import placement_of

DIVIDED = {"replicas": "divided"}
TAINT = {"key": "cluster.karmada.io/unschedulable", "effect": "NoSchedule"}


def fleet(*placements, drained=("member2",), members=3, mode="drain", more=None, **keys):
    """Return a fleet of members in zones of their own, some of them under maintenance."""
    maintenance = mode if not keys else {"mode": mode, **keys}
    return parse_fleet(
        {
            "controlPlane": {"kubeconfig": "kube.yaml", "version": "1.18.2"},
            "members": [
                {
                    "name": f"member{i}",
                    "kubeconfig": f"member{i}.yaml",
                    "region": f"r{i}",
                    "labels": {"tier": "gold" if i > 1 else "base"},
                    **({"maintenance": maintenance} if f"member{i}" in drained else {}),
                    **((more or {}).get(f"member{i}", {})),
                }
                for i in range(1, members + 1)
            ],
            "workloads": [
                {"name": f"w{i}", "image": "nginx:1.27", "placement": one} for i, one in enumerate(placements)
            ],
        }
    )


def placed(found):
    return [placement_of(workload.placement).get("clusterAffinity") or {} for workload in found.workloads]


def problems(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        fleet(*args, **kwargs)
    return [str(one) for one in caught.value.problems]


# -- the declaration --------------------------------------------------------------------------------------------------


def test_cordon_declares_the_taint_of_karmadactl_cordon():
    found = fleet(mode="cordon")
    member = found.member("member2")
    taints = [taint.model_dump(mode="json", exclude_defaults=True) for taint in member.all_taints]
    assert taints == [TAINT]
    assert facts(member).taints == (CORDON,)
    assert not found.member("member1").all_taints


def test_cordon_taint_that_is_declared_already_is_not_declared_twice():
    found = fleet(mode="cordon", more={"member2": {"taints": [TAINT, {"key": "gpu", "effect": "NoExecute"}]}})
    assert [taint.key for taint in found.member("member2").all_taints] == [TAINT["key"], "gpu"]


def test_the_short_form_is_the_mode_alone():
    assert (
        fleet(mode="cordon").member("member2").maintenance
        == fleet(mode="cordon", reason="").member("member2").maintenance
    )


def test_cluster_has_the_maintenance_and_its_reason_as_annotations():
    said = fleet(reason="new kernel", until="2026-12-01").member("member2").maintenance.text
    assert said == "drain: new kernel, until 2026-12-01"
    cluster = join.cluster("member2", cluster_id="x", api_endpoint="https://m", taints=[TAINT], maintenance=said)
    assert cluster["metadata"]["annotations"][MAINTENANCE] == said
    assert (maintenance_of(cluster), mode_of(maintenance_of(cluster))) == (said, "drain")


def test_cordon_without_a_reason_equals_that_of_karmadactl():
    """With an annotation of its own, a stack that adopts a cordoned member would change its Cluster."""
    assert fleet(mode="cordon").member("member2").maintenance.annotation == ""
    assert fleet(mode="cordon", reason="x").member("member2").maintenance.annotation == "cordon: x"


def test_cordon_by_karmadactl_is_read_as_a_cordon():
    assert maintenance_of({"spec": {"taints": [{**TAINT, "timeAdded": "2026-01-01T00:00:00Z"}]}}) == "cordon"
    assert maintenance_of({"spec": {"taints": [{**TAINT, "effect": "NoExecute"}]}}) == ""
    assert maintenance_of(join.cluster("m", cluster_id="x", api_endpoint="https://m")) == ""


@pytest.mark.parametrize(
    ("maintenance", "said"),
    [
        ("pause", "must be 'cordon' or 'drain'"),
        ({"mode": "cordon", "duplicated": "remove"}, "a cordon removes nothing"),
        ({"mode": "drain", "reason": "a\nb"}, "has several lines"),
        ({"mode": "drain", "until": "soon"}, "until"),
        ({"reason": "x"}, "mode: is required"),
    ],
)
def test_invalid_maintenance_is_refused(maintenance, said):
    found = problems(more={"member1": {"maintenance": maintenance}}, drained=())
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("members[0].maintenance")


def test_overdue_maintenance_is_reported_and_does_not_end():
    found = fleet(DIVIDED, reason="new kernel", until="2026-12-01")
    assert notices(found, today=dt.date(2026, 12, 1)) == []
    (said,) = notices(found, today=dt.date(2026, 12, 2))
    assert "should have ended on 2026-12-01" in said
    assert "flotilla uncordon member2" in said
    assert placed(found)[0]["exclude"] == ["member2"]


# -- workloads that leave ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "placement",
    [
        DIVIDED,
        {"replicas": "aggregated"},
        {"replicas": "divided", "clusters": ["member1", "member2"], "weights": {"member1": 1, "member2": 2}},
        {"spread": [{"by": "cluster", "maxGroups": 1}]},
    ],
)
def test_workload_that_can_run_elsewhere_leaves_a_drained_member(placement):
    found = fleet(placement)
    assert placed(found)[0]["exclude"] == ["member2"]
    assert "member2" not in [member.name for member in found.chosen(found.workloads[0].placement)]
    assert notices(found) == []


def test_a_cordon_moves_nothing():
    assert placed(fleet(DIVIDED, {}, mode="cordon")) == [{}, {}]


def test_placement_that_never_chooses_the_member_is_unchanged():
    assert placed(fleet({"replicas": "divided", "clusters": ["member1", "member3"]})) == [
        {"clusterNames": ["member1", "member3"]}
    ]


def test_every_group_that_chooses_a_drained_member_excludes_it():
    groups = [
        {"name": "first", "clusters": ["member2"]},
        {"name": "then", "clusters": ["member3"], "overflow": [{"name": "more", "labels": {"tier": "gold"}}]},
    ]
    found = fleet({"replicas": "aggregated", "groups": groups})
    first, then = placement_of(found.workloads[0].placement)["clusterAffinities"]
    assert first["exclude"] == ["member2"]
    assert "exclude" not in then
    assert then["overflowAffinities"][0]["exclude"] == ["member2"]


def test_a_duplicated_workload_moves_to_the_next_group():
    groups = [{"name": "first", "clusters": ["member2"]}, {"name": "then", "clusters": ["member3"]}]
    found = fleet({"groups": groups})
    assert [one.name for one in found.choice(found.workloads[0].placement).chosen] == ["member3"]


def test_placement_without_a_drain_is_that_of_the_stack_file():
    assert placed(fleet(DIVIDED, drained=())) == [{}]


# -- workloads that stay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placement", "why"),
    [
        ({"clusters": ["member2"], "replicas": "divided"}, "its placement chooses no other cluster"),
        ({}, "duplicated: it has a copy in every cluster"),
        ({"groups": [{"name": "both", "clusters": ["member1", "member2"]}]}, "duplicated: it has a copy"),
        (
            {"replicas": "aggregated", "spread": [{"by": "cluster", "minGroups": 3}]},
            "at least 3 by cluster, and 2 would be",
        ),
        (
            {"replicas": "aggregated", "spread": [{"by": "region", "minGroups": 3}, {"by": "cluster"}]},
            "at least 3 by region",
        ),
    ],
)
def test_workload_that_cannot_run_elsewhere_stays_and_is_named(placement, why):
    found = fleet(placement)
    whole = fleet(placement, drained=())
    assert placement_of(found.workloads[0].placement) == placement_of(whole.workloads[0].placement)
    (said,) = notices(found)
    assert said.startswith("workload w0: stays in member2, which is drained: ")
    assert why in said


def test_workload_stays_if_the_other_members_accept_nothing():
    found = fleet(
        {"replicas": "divided", "clusters": ["member1", "member2"]}, more={"member1": {"maintenance": "cordon"}}
    )
    assert placed(found) == [{"clusterNames": ["member1", "member2"]}]
    assert "member1 has cluster.karmada.io/unschedulable:NoSchedule" in notices(found)[0]


def test_drain_with_delete_copies_removes_copies_of_duplicated_workloads():
    found = fleet({}, {"clusters": ["member2"]}, duplicated="remove")
    assert placed(found) == [{"exclude": ["member2"]}, {"clusterNames": ["member2"]}]
    assert len(notices(found)) == 1


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_drain_of_every_member_is_refused():
    (said,) = problems(DIVIDED, drained=("member1", "member2", "member3"))
    assert "every member is drained (member1, member2, member3)" in said
    assert "no cluster would be left" in said


def test_a_drain_of_the_only_member_is_refused():
    assert "the only member is drained (member1)" in problems(drained=("member1",), members=1)[0]


def test_two_drains_that_leave_a_workload_no_cluster_are_refused_for_one_member():
    (said,) = problems({"replicas": "divided", "clusters": ["member2", "member3"]}, drained=("member2", "member3"))
    assert said.startswith("workloads[0].placement: ")
    assert "(member2, member3)" in said


def test_workload_that_can_leave_neither_drained_member_stays_in_both():
    found = fleet(
        {"replicas": "aggregated", "spread": [{"by": "cluster", "minGroups": 3}]}, drained=("member2", "member3")
    )
    assert len(notices(found)) == 2


def test_placement_on_a_cordoned_member_alone_is_valid():
    found = fleet({"clusters": ["member2"]}, mode="cordon")
    assert kept_out(found) == []


# -- drift, views and adoption ----------------------------------------------------------------------------------------


def live(name, *taints, said=""):
    """Return a Cluster as the control plane has it."""
    made = join.cluster(name, cluster_id="x", api_endpoint="https://m", taints=list(taints), maintenance=said)
    return {**made, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}


def cordons(declared, there):
    """Return the drift findings of a member with these declared and actual taints."""
    found = Declared(objects={CONTROL_PLANE: [declared]}, members=("member2",))
    return [(one.rule, one.object) for one in check_clusters(Snapshot((there,)), found)]


def test_undeclared_cordon_is_drift():
    """`karmadactl cordon` affects where new copies run. Regression: drift did not report it."""
    assert cordons(live("member2"), live("member2", TAINT)) == [("member-cordoned", "Cluster member2")]
    assert cordons(live("member2", TAINT), live("member2", TAINT)) == []
    assert cordons(live("member2"), live("member2")) == []


def test_declared_cordon_that_somebody_ended_is_drift_of_its_taint_only():
    gone = object_differences(live("member2", TAINT), live("member2"))
    assert [one.path[:2] for one in gone] == [("spec", "taints")]
    other = {"key": "cluster.karmada.io/not-ready", "effect": "NoSchedule"}
    assert object_differences(live("member2", TAINT), live("member2", other, TAINT)) == []


def test_views_show_the_maintenance_of_a_member():
    def shown(cluster):
        return member_status(cluster).maintenance

    assert shown(live("member2", TAINT, said="drain: new kernel")) == "drain: new kernel"
    assert shown(live("member2", TAINT)) == "cordon"
    assert shown(live("member2")) == ""


def test_adoption_declares_a_cordon_and_nothing_else_changes():
    report = Report()
    facts_ = MemberFacts()
    keys = member_of(live("member2", TAINT), facts_, Credentials(), version="1.18.2", taints=(), report=report)
    assert keys["maintenance"] == "cordon"
    assert "taints" not in keys
    drained = live("member2", TAINT, said="drain: new kernel")
    keys = member_of(drained, facts_, Credentials(), version="1.18.2", taints=(), report=report)
    assert keys["maintenance"] == "cordon"
    assert any("remove it from their `exclude`" in note for note in report.notes)
    assert report.left_out == []


# -- the end of a cordon ----------------------------------------------------------------------------------------------


class Plane:
    """A control plane with one Cluster; somebody may change its taints before a patch."""

    def __init__(self, *taints, meanwhile=()):
        self.taints, self.meanwhile, self.patches = list(taints), list(meanwhile), []

    def find(self, _):
        return live("member2", *self.taints)

    def patch(self, _ref, steps, **_):
        if self.meanwhile:
            self.taints = self.meanwhile.pop(0)
        place = int(steps[2]["path"].rpartition("/")[2])
        if any(self.taints[place][step["path"].rpartition("/")[2]] != step["value"] for step in steps[:2]):
            raise ApiError("the test failed", status=422)
        del self.taints[place]
        self.patches.append(steps)


def test_cordon_taint_is_removed_and_others_stay():
    other = {"key": "gpu", "effect": "NoSchedule"}
    plane = Plane(other, TAINT)
    end_cordon(plane, "member2")
    assert plane.taints == [other]
    end_cordon(plane, "member2")
    assert len(plane.patches) == 1


def test_taints_changed_in_the_meantime_are_read_again():
    other = {"key": "gpu", "effect": "NoSchedule"}
    plane = Plane(TAINT, meanwhile=[[other, TAINT]])
    end_cordon(plane, "member2")
    assert plane.taints == [other]


IDENTITY = ClusterIdentityProvider()
KNOWN = {"cluster": "member2", "uid": "u", "unanswered": "", "sameAs": "", "joined": ""}


def test_ended_cordon_removes_its_taint_before_workloads_wait(monkeypatch):
    """Regression: the taint stayed if Karmada or karmadactl had written the list meanwhile, and no copy came back."""
    plane, asked = Plane(TAINT), []
    monkeypatch.setattr(cluster_identity, "connect", lambda text, **_: asked.append(text) or plane)
    cordoned = {**KNOWN, "cordoned": True, "controlPlane": "kubeconfig"}
    assert IDENTITY.diff("u", KNOWN, cordoned).changes
    kept = IDENTITY.update("u", KNOWN, cordoned).outs
    assert (kept["cordoned"], plane.taints) == (True, [TAINT])
    assert not IDENTITY.diff("u", kept, cordoned).changes
    assert IDENTITY.diff("u", kept, KNOWN).changes
    assert not IDENTITY.diff("u", kept, KNOWN).replaces
    assert IDENTITY.update("u", kept, KNOWN).outs == {"cluster": "member2", "uid": "u"}
    assert (plane.taints, asked) == ([], ["kubeconfig"])


def test_cordon_also_ends_while_the_member_does_not_answer(monkeypatch):
    plane = Plane(TAINT)
    monkeypatch.setattr(cluster_identity, "connect", lambda *_, **__: plane)
    kept = {"cluster": "member2", "uid": "u", "cordoned": True, "controlPlane": "kubeconfig"}
    IDENTITY.update("u", kept, {**KNOWN, "unanswered": "no answer"})
    assert plane.taints == []


def test_members_without_maintenance_keep_the_inputs_of_older_versions():
    assert not IDENTITY.diff("u", {"cluster": "member2", "uid": "u"}, KNOWN).changes
    assert IDENTITY.create(KNOWN).outs == {"cluster": "member2", "uid": "u"}
