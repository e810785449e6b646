"""A rollout is done only when the fleet is as planned; each check uses plain data."""

import pytest

from flotilla.karmada.objects import ResourceBinding, Work
from flotilla.karmada.scheduling import facts_of
from flotilla.karmada.status.expected import compare
from flotilla.karmada.status.fleet import fleet_of
from flotilla.karmada.status.rollout import RolloutCheck
from tests.unit.planes import check_once
from tests.unit.rollouts import CORDON, NOT_READY, TAINT, WEB, binding, cluster, divided, members, on, web

NAMES = ("member1", "member2", "member3")


def two(*, clusters=None, placement=None, targets, redivided=True, replicas=4, expected=None, **keys):
    """Compare a schedule over member1 and member2 with the plan."""
    fleet = fleet_of(clusters or [cluster("member1"), cluster("member2")])
    declared = web(replicas, keys.pop("requests", None))
    placement = placement or divided("member1", "member2")
    return compare(
        declared, targets, placement, expected or members("member1", "member2"), fleet, redivided=redivided, **keys
    )


# -- the schedule against the plan ----------------------------------------------------------------------------------


def test_division_as_planned_is_done():
    assert two(targets={"member1": 2, "member2": 2}).waiting == {}


@pytest.mark.parametrize("taint", [TAINT, CORDON, {**TAINT, "effect": "NoExecute"}])
def test_tainted_member_has_no_share(taint):
    """Six divided replicas over a tainted and an untainted member: the untainted one gets all six."""
    clusters = [cluster("member1"), cluster("member2", taints=[taint])]
    found = two(clusters=clusters, replicas=6, targets={"member1": 6})
    assert found.waiting == {}
    assert list(found.refused) == ["member2"]
    short = two(clusters=clusters, replicas=6, targets={"member1": 3})
    assert short.waiting == {"member1": "has 3 replicas, planned 6"}


def test_tolerated_taint_does_not_exclude_a_member():
    clusters = [cluster("member1"), cluster("member2", taints=[TAINT])]
    placement = {**on("member1", "member2"), "clusterTolerations": [{"key": "site", "operator": "Exists"}]}
    found = two(clusters=clusters, placement=placement, targets={"member1": 4})
    assert found.waiting == {"member2": "chosen by the placement, not scheduled there"}


def test_tainted_member_that_has_the_workload_keeps_its_share():
    clusters = [cluster("member1"), cluster("member2", taints=[TAINT])]
    assert two(clusters=clusters, targets={"member1": 2, "member2": 2}).waiting == {}
    assert "member1" in two(clusters=clusters, targets={"member1": 3, "member2": 1}).waiting


def test_division_that_differs_from_the_plan_is_not_done():
    found = two(targets={"member1": 4})
    assert found.waiting["member1"] == "has 4 replicas, planned 2"
    assert found.waiting["member2"].startswith("chosen by the placement, not scheduled there (planned 2 replicas)")


def test_earlier_division_only_needs_the_right_sum():
    assert two(targets={"member1": 3, "member2": 1}, redivided=False).waiting == {}
    assert two(targets={"member1": 4}, redivided=False).waiting == {}
    assert two(targets={"member1": 2, "member2": 1}, redivided=False).waiting == dict.fromkeys(
        ("member1", "member2"), "3 of 4 replicas are scheduled"
    )


@pytest.mark.parametrize("targets", [{"member1": 1}, {"member2": 1}])
def test_tie_may_go_to_either_member(targets):
    assert two(replicas=1, targets=targets).waiting == {}


@pytest.mark.parametrize(
    "targets", [{"member1": 4, "member2": 2, "member3": 1}, {"member1": 4, "member2": 3, "member3": 0}]
)
def test_both_methods_of_division_are_accepted(targets):
    """7 at 5:3:1 gives 4, 2, 1 since Karmada 1.16, and 4, 3, 0 before."""
    clusters = [cluster(name) for name in NAMES]
    placement = divided(*NAMES, member1=5, member2=3, member3=1)
    kept = {name: count for name, count in targets.items() if count}
    found = two(clusters=clusters, placement=placement, replicas=7, targets=kept, expected=members(*NAMES))
    assert found.waiting == {}


def test_missing_duplicated_copy_is_named_whenever_it_was_scheduled():
    found = two(placement=on("member1", "member2"), targets={"member1": 4}, redivided=False)
    assert found.waiting == {"member2": "chosen by the placement, not scheduled there"}


def test_cluster_that_is_not_scheduled_yet_is_named():
    placement = {"clusterAffinity": {"labelSelector": {"matchLabels": {"site": "edge"}}}}
    clusters = [cluster("member1", labels={"site": "edge"}), cluster("member2")]
    found = two(clusters=clusters, placement=placement, targets={"member1": 4})
    assert found.waiting == {
        "member2": "chosen by the placement, not scheduled there: its Cluster doesn't match the placement"
    }


def test_member_without_a_cluster_is_named():
    found = two(clusters=[cluster("member1")], placement=on("member1", "member2"), targets={"member1": 4})
    assert "there is no Cluster of this name" in found.waiting["member2"]


def test_member_that_is_not_ready_is_unanswered_and_no_other_taint_excuses_it():
    dead = cluster("member2", ready=False, taints=[NOT_READY])
    found = two(clusters=[cluster("member1"), dead], targets={"member1": 4})
    assert found.unanswered == {"member2": "its Cluster is not Ready: it is gone"}
    assert (found.waiting, found.refused) == ({}, {})


def test_spread_constraint_may_leave_clusters_out():
    placement = {**on("member1", "member2"), "spreadConstraints": [{"spreadByField": "cluster", "maxGroups": 1}]}
    assert two(placement=placement, targets={"member1": 4}).waiting == {}


@pytest.mark.parametrize("targets", [{}, {"member1": None, "member2": None}, {"member1": 0, "member2": 0}])
@pytest.mark.parametrize("placement", [on("member1", "member2"), divided("member1", "member2")])
def test_zero_replicas_may_be_nowhere_or_everywhere(targets, placement):
    assert two(replicas=0, requests={"cpu": "1"}, placement=placement, targets=targets).waiting == {}


def test_zero_replicas_in_some_clusters_are_not_done():
    found = two(replicas=0, placement=on("member1", "member2"), targets={"member1": None})
    assert "member2" in found.waiting


# -- one check --------------------------------------------------------------------------------------------------------


def works(declared, targets):
    found = {}
    for name, count in targets.items():
        sent = {**declared, "spec": {**declared["spec"], "replicas": count or 0}}
        done = {"conditions": [{"type": "Applied", "status": "True"}]}
        found[name] = Work.read(
            {"metadata": {"name": "w"}, "spec": {"workload": {"manifests": [sent]}}, "status": done}
        )
    return found


def check_workload(targets, placement, clusters, *, expected=None, replicas=4, sent=None, requests=None, **keys):
    declared = web(replicas, requests)
    check = RolloutCheck([declared], placement, [], expected, frozenset([WEB]))
    template = {**declared, "metadata": {**declared["metadata"], "uid": "u", "generation": 1}}
    bound = ResourceBinding.read(binding(targets, keys.pop("bound", placement), replicas=replicas, **keys))
    return check.judge(declared, template, bound, works(declared, sent or targets), fleet_of(clusters))


def test_workload_on_fewer_clusters_than_planned_is_not_done():
    clusters = [cluster("member1"), cluster("member2")]
    progress = check_workload(
        {"member1": 4}, divided("member1", "member2"), clusters, expected=members("member1", "member2")
    )
    assert not progress.done
    assert "member2: chosen by the placement, not scheduled there" in str(progress)
    assert check_workload({"member1": 4}, divided("member1", "member2"), clusters).done, "nobody said what is expected"


def test_dead_member_that_is_about_to_leave_is_not_waited_for():
    """Updates happen before deletions, so the rollout would wait for a member that the same run removes later."""
    clusters = [cluster("member1"), cluster("member2", ready=False)]
    placement = {"clusterAffinity": {}, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
    progress = check_workload(
        {"member1": 4, "member2": 4}, placement, clusters, expected=members("member1"), sent={"member1": 4}
    )
    assert progress.done
    assert [one.cluster for one in progress.clusters] == ["member1"]


def test_member_that_is_not_ready_blocks_no_other_member():
    clusters = [cluster("member1"), cluster("member2", ready=False)]
    placement = on("member1", "member2")
    targets = {"member1": 4, "member2": 4}
    progress = check_workload(targets, placement, clusters, expected=members("member1", "member2"))
    assert (progress.done, progress.done_where_answered) == (False, True)
    assert progress.unanswered == {"member2": "its Cluster is not Ready: it is gone"}


def test_unreachable_member_counts_by_karmadas_report():
    clusters = [cluster("member1"), cluster("member2")]
    placement, targets = on("member1", "member2"), {"member1": 4, "member2": 4}
    expected = members("member1", "member2", member2="401 Unauthorized")
    assert check_workload(targets, placement, clusters, expected=expected).done
    late = check_workload(targets, placement, clusters, expected=expected, healthy=["member1"])
    assert late.unanswered == {"member2": "401 Unauthorized"}


def test_nothing_is_waited_for_if_no_member_answers():
    clusters = [cluster(name, ready=False) for name in ("member1", "member2")]
    expected = members("member1", "member2")
    progress = check_workload({}, on("member1", "member2"), clusters, expected=expected, scheduled="False")
    assert progress.done_where_answered
    assert set(progress.unanswered) == {"member1", "member2"}
    one = check_workload(
        {}, on("member1", "member2"), [cluster("member1"), clusters[1]], expected=expected, scheduled="False"
    )
    assert one.waiting_for == "not scheduled: 0/2 clusters are available"


def test_workload_without_replicas_is_done_where_karmada_removes_it():
    clusters = [cluster("member1"), cluster("member2")]
    gone = check_workload({}, on("member1", "member2"), clusters, replicas=0, requests={"cpu": "1"})
    assert gone.done
    assert "no cluster: it has no replicas" in str(gone)
    assert check_workload({}, on("member1", "member2"), clusters).waiting_for.startswith("scheduled to no cluster")


GROUPS = {
    "clusterAffinities": [
        {"affinityName": "near", "clusterNames": ["member1"]},
        {"affinityName": "far", "clusterNames": ["member2", "member3"]},
    ],
    "replicaScheduling": {"replicaSchedulingType": "Duplicated"},
}


def test_placement_with_affinity_groups_is_done():
    """Regression: the model dropped clusterAffinities, and every check said "another placement"."""
    clusters = [cluster(name) for name in NAMES]
    progress = check_workload({"member1": 4}, GROUPS, clusters, schedulerObservingAffinityName="near")
    assert progress.done
    other = {**GROUPS, "clusterAffinities": GROUPS["clusterAffinities"][1:]}
    assert "another placement" in check_workload({"member1": 4}, GROUPS, clusters, bound=other).waiting_for


def test_only_the_affinity_group_chosen_by_karmada_counts():
    clusters = [cluster("member1", taints=[TAINT]), cluster("member2"), cluster("member3")]
    far = {"schedulerObservingAffinityName": "far"}
    expected = members("member2", "member3")
    assert check_workload({"member2": 4, "member3": 4}, GROUPS, clusters, expected=expected, **far).done
    late = check_workload({"member2": 4}, GROUPS, clusters, expected=expected, **far)
    assert "member3: chosen by the placement, not scheduled there" in str(late)


def test_clusters_of_other_affinity_groups_are_not_waited_for():
    """The stack expects members of every group.

    Regression: members of the other groups were waited for until the timeout.
    """
    clusters = [cluster("member1"), cluster("member2", ready=False), cluster("member3")]
    expected = members("member1", "member2", "member3")
    near = {"schedulerObservingAffinityName": "near"}
    assert check_workload({"member1": 4}, GROUPS, clusters, expected=expected, **near).done
    found = two(clusters=clusters, placement=GROUPS, targets={"member1": 4}, expected=expected, group="near")
    assert (found.waiting, found.unanswered) == ({}, {})


def test_any_different_field_is_another_placement():
    clusters = [cluster("member1")]
    placement = {**on("member1"), "workloadAffinity": {"affinity": {"groupByLabelKey": "x"}}}
    assert check_workload({"member1": 4}, placement, clusters).done
    assert "another placement" in check_workload({"member1": 4}, placement, clusters, bound=on("member1")).waiting_for


def test_tolerations_of_the_webhook_are_no_other_placement():
    added = {"key": "cluster.karmada.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    clusters = [cluster("member1")]
    bound = {**on("member1"), "clusterTolerations": [added]}
    assert check_workload({"member1": 4}, on("member1"), clusters, bound=bound).done


def test_number_of_requests_is_independent_of_the_number_of_clusters():
    targets = dict.fromkeys((f"m{number}" for number in range(40)), 4)
    placement = {"clusterAffinity": {}, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
    declared = web()
    bound = binding(targets, placement)
    bound["metadata"]["labels"] = {"resourcebinding.karmada.io/permanent-id": "id"}
    asked = []

    class Server:
        def list(self, _api_version, kind, **_scope):
            asked.append(kind)
            if kind == "Cluster":
                return [cluster(name) for name in targets]
            return [
                {
                    **work.manifest(),
                    "metadata": {"name": "w", "namespace": f"karmada-es-{name}", "labels": bound["metadata"]["labels"]},
                }
                for name, work in works(declared, targets).items()
            ]

        def find(self, ref):
            asked.append(ref.kind)
            template = {**declared, "metadata": {**declared["metadata"], "uid": "u"}}
            return template if ref.kind == "Deployment" else bound

    (progress,) = check_once(RolloutCheck([declared], placement, [], members(*targets)), Server())
    assert progress.done
    assert sorted(asked) == ["Cluster", "Deployment", "ResourceBinding", "Work"]


def test_facts_of_a_cluster_have_its_taints():
    assert [str(taint) for taint in facts_of(cluster("m", taints=[TAINT, CORDON])).taints] == [
        "site=edge:NoSchedule",
        "cluster.karmada.io/unschedulable:NoSchedule",
    ]
