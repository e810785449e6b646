"""What happens to templates when a cluster is lost, cordoned, tainted or joins, by version and failover."""

from dataclasses import replace

import pytest

from flotilla.karmada.cordons import CORDON
from flotilla.karmada.scheduling import ClusterFacts, Current, Scheduler, Taint
from flotilla.karmada.simulation.failover import Failover, evicted_after, gate_by_default
from flotilla.karmada.simulation.losses import losses
from flotilla.karmada.simulation.outcome import Verdict, outcomes
from flotilla.karmada.simulation.upgrades import changed_decisions
from flotilla.karmada.simulation.world import Assumed
from flotilla.karmada.versions import Version
from tests.unit.schedules import AGGREGATED, CONFIG, DIVIDED, DYNAMIC, spread, template, weights
from tests.unit.worlds import EVICTS, NEW, OLD, clusters, outcome, placed, world

AB = {"clusterAffinity": {"clusterNames": ["a", "b"]}}
EVERYWHERE = {"replicaScheduling": {"replicaSchedulingType": "Duplicated"}}
EVEN = {"replicaScheduling": DIVIDED}
NO_EXECUTE = Taint("site", "gone", "NoExecute")


def test_without_failover_nothing_moves_and_copies_of_the_lost_cluster_are_lost():
    found = outcome(world(placed({**AB, **EVEN}, {"a": 2, "b": 2})), without="b")
    assert (found.verdict, found.after, found.lost) == (Verdict.FEWER, {"a": 2, "b": 2}, ("b",))
    assert (found.evicted, found.certain) == ({}, True)


def test_workload_only_in_the_lost_cluster_is_lost():
    found = outcome(world(placed({**AB, **EVEN}, {"b": 4})), without="b")
    assert (found.verdict, found.interrupted) == (Verdict.LOST, False)


def test_with_failover_replicas_move_to_the_remaining_clusters():
    given = world(placed({"replicaScheduling": weights(a=1, b=1, c=1)}, {"a": 1, "b": 1, "c": 1}, replicas=3))
    on = replace(given, failovers=(Failover.of(NEW, gate=True),), taint_policies=(EVICTS,))
    found = outcome(on, without="c")
    assert sum(found.after.values()) == 3
    assert "c" not in found.after
    assert (found.evicted, found.verdict) == ({"c": 0}, Verdict.CHANGES)


def test_since_1_14_a_not_ready_cluster_evicts_only_with_a_cluster_taint_policy():
    ran = placed({**EVEN}, {"a": 2, "b": 2})
    on = world(ran, gate=True)
    assert outcome(on, without="b").evicted == {}
    assert outcome(world(ran, gate=True, policies=(EVICTS,)), without="b").evicted == {"b": 0}
    assert outcome(world(ran, gate=True, policies=(EVICTS,), no_execute=False), without="b").evicted == {}
    assert outcome(world(ran, gate=False, policies=(EVICTS,)), without="b").evicted == {}


def test_until_1_13_failover_evicts_after_the_toleration_time():
    found = outcome(world(placed(EVEN, {"a": 2, "b": 2}), version=OLD, gate=True), without="b")
    assert found.evicted == {"b": 300}


def test_cluster_taint_policy_applies_to_its_target_clusters():
    aimed = {"spec": {**EVICTS["spec"], "targetClusters": {"clusterNames": ["a"]}}}
    given = world(placed(EVEN, {"a": 2, "b": 2}), gate=True, policies=(aimed,))
    assert (outcome(given, without="a").evicted, outcome(given, without="b").evicted) == ({"a": 0}, {})


def test_cluster_taint_policy_that_removes_its_own_taint_has_no_effect():
    both = {"spec": {**EVICTS["spec"], "removeOnConditions": EVICTS["spec"]["addOnConditions"]}}
    assert outcome(world(placed(EVEN, {"b": 4}), gate=True, policies=(both,)), without="b").evicted == {}


def test_lost_pull_member_is_unreachable_and_that_taints_toleration_counts():
    tolerant = {**EVEN, "clusterTolerations": [{"key": "cluster.karmada.io/not-ready", "operator": "Exists"}]}
    given = world(placed(tolerant, {"a": 2, "b": 2}), version=OLD, gate=True)
    assert outcome(given, without="b").evicted == {}
    assert outcome(replace(given, pull=frozenset("b")), without="b").evicted == {"b": 300}


def test_no_execute_taint_evicts_until_1_13_without_failover_and_later_with_it():
    ran = placed(EVEN, {"a": 2, "b": 2})
    taints = (("b", NO_EXECUTE),)
    assert outcome(world(ran, version=OLD), taints=taints).evicted == {"b": 0}
    assert outcome(world(ran), taints=taints).evicted == {}
    moved = outcome(world(ran, gate=True), taints=taints)
    assert (moved.evicted, moved.lost, sum(moved.after.values())) == ({"b": 0}, (), 4)


def test_cordon_moves_nothing_and_blocks_new_copies():
    ran = placed(EVERYWHERE, {"a": 4, "b": 4})
    found = outcome(world(ran, among=clusters("a", "b")), cordoned=frozenset("b"))
    assert (found.verdict, found.after) == (Verdict.SAME, {"a": 4, "b": 4})
    scaled = outcome(world(placed(EVEN, {"a": 2, "b": 2}), among=clusters("a", "b")), cordoned=frozenset("b"),
                     replicas={"web": 6})  # fmt: skip
    assert scaled.after == {"a": 3, "b": 3}  # taints do not matter for a cluster that has it
    joined = outcome(world(ran, among=clusters("a", "b", taints=(CORDON,))), joins=clusters("c", taints=(CORDON,)))
    assert "c" not in joined.after


def test_joining_cluster_gets_duplicated_copies_and_no_divided_replicas():
    given = {"joins": clusters("d")}
    assert outcome(world(placed(EVERYWHERE, dict.fromkeys("abc", 4))), **given).after == dict.fromkeys("abcd", 4)
    assert outcome(world(placed(EVEN, {"a": 2, "b": 2})), **given).verdict is Verdict.SAME


def test_workload_without_another_cluster_is_lost_with_karmadas_message():
    given = world(placed({"clusterAffinity": {"clusterNames": ["b"]}, **EVEN}, {"b": 4}), gate=True, policies=(EVICTS,))
    found = outcome(given, without="b")
    assert (found.verdict, found.after) == (Verdict.LOST, {})
    assert "0/3 clusters are available" in found.problem


def test_workload_that_moves_from_its_only_cluster_is_interrupted():
    given = world(placed({**AB, **EVEN}, {"b": 4}), gate=True, policies=(EVICTS,))
    found = outcome(given, without="b")
    assert (found.verdict, found.interrupted, found.after) == (Verdict.CHANGES, True, {"a": 4})


def test_spread_that_cannot_be_met_any_more_is_reported_as_broken():
    asked = {**EVERYWHERE, "spreadConstraints": [spread(2, 2)]}
    found = outcome(world(placed(asked, {"a": 4, "b": 4}), among=clusters("a", "b")), without="b")
    assert found.broken == ("the spread constraint by cluster requires at least 2, and it is in 1",)
    evicting = world(placed(asked, {"a": 4, "b": 4}), among=clusters("a", "b"), gate=True, policies=(EVICTS,))
    assert "MinGroups" in outcome(evicting, without="b").problem


def test_next_affinity_group_takes_over():
    groups = {
        "clusterAffinities": [
            {"affinityName": "own", "clusterNames": ["a"]},
            {"affinityName": "cloud", "clusterNames": ["b"]},
        ],
        **EVEN,
    }
    given = world(placed(groups, {"a": 4}, group="own"), gate=True, policies=(EVICTS,))
    assert outcome(given, without="a").after == {"b": 4}


def test_result_by_free_capacity_is_open_and_shows_todays_capacity():
    given = world(placed({"replicaScheduling": DYNAMIC}, {"a": 2, "b": 2}), among=clusters("a", "b", "c", free=20),
                  gate=True, policies=(EVICTS,))  # fmt: skip
    found = outcome(given, without="b")
    assert (found.why, sum(found.after.values())) == ("free capacity", 4)
    assert found.open["c"] == (0, 2)
    assert (found.verdict, found.certain) == (Verdict.CHANGES, False)  # there may be no free capacity


def test_too_little_capacity_leaves_replicas_unscheduled():
    given = world(placed({"replicaScheduling": AGGREGATED}, {"a": 2, "b": 2}), among=clusters("a", "b", free=1),
                  gate=True, policies=(EVICTS,))  # fmt: skip
    found = outcome(given, without="b")
    assert "not enough" in found.problem
    assert found.verdict is Verdict.FEWER


def test_replicas_of_all_workloads_beyond_a_clusters_capacity_stay_pending():
    one = placed({"replicaScheduling": weights(a=1)}, {"a": 1}, replicas=1)
    obj = template(1, uid="2")
    obj = {**obj, "metadata": {**obj["metadata"], "name": "shop"}}
    other = replace(one, workload="shop", ref="Deployment default/shop", template=obj)
    given = world(one, other, among=clusters("a", free=8))
    found = {o.workload: o for o in outcomes(given, Assumed(replicas={"web": 6, "shop": 6}))}
    assert (found["shop"].pending, found["web"].pending) == ({}, {"a": 2})


def test_requests_of_each_pod_count():
    given = world(placed({"replicaScheduling": weights(a=1)}, {"a": 1}, replicas=1, cpu="30"),
                  among=clusters("a", free=50))  # fmt: skip
    assert outcome(given, replicas={"web": 9}).pending == {"a": 5}


def test_result_that_depends_on_the_order_of_two_losses_is_open():
    among = clusters("a", "b", "c", "d", free=30)
    ran = placed({"replicaScheduling": weights(a=1, b=1, c=1, d=1)}, dict.fromkeys("abcd", 2), replicas=8)
    found = outcome(world(ran, among=among, gate=True, policies=(EVICTS,)), without="ab")
    assert found.after == {"c": 4, "d": 4}
    assert found.evicted == {"a": 0, "b": 0}


def test_result_that_depends_on_failover_is_open():
    given = world(placed({**AB, **EVEN}, {"b": 4}), policies=(EVICTS,))
    either = replace(given, failovers=(Failover.of(NEW, gate=False), Failover.of(NEW, gate=True)))
    found = outcome(either, without="b")
    assert (found.verdict, found.why) == (
        Verdict.DEPENDS,
        "whether this Karmada moves workloads away from failed clusters",
    )


def test_workload_with_a_limited_toleration_comes_back_and_is_evicted_again():
    tolerations = [{"key": "site", "operator": "Exists", "tolerationSeconds": 60, "effect": "NoExecute"}]
    given = world(placed({**EVERYWHERE, "clusterTolerations": tolerations}, dict.fromkeys("abc", 4)), gate=True)
    found = outcome(given, taints=(("b", NO_EXECUTE),))
    assert (found.evicted, found.returns) == ({"b": 60}, ("b",))


def test_suspended_schedule_stays_unchanged():
    given = world(placed(EVEN, {"b": 4}, suspended=True), gate=True, policies=(EVICTS,))
    assert outcome(given, without="b").after == {"b": 4}


def test_copy_that_is_down_already_does_not_count_as_running():
    given = replace(world(placed(EVEN, {"a": 2, "b": 2})), down=frozenset("b"))
    assert outcome(given, without="a").verdict is Verdict.LOST


def test_kinds_without_replicas_are_lost_with_their_last_cluster():
    one = placed({"clusterAffinity": {"clusterNames": ["a"]}}, {"a": None}, obj={**CONFIG, "metadata": {"name": "web"}})
    assert outcome(world(one), without="a").verdict is Verdict.LOST
    assert outcome(world(one), without="b").verdict is Verdict.SAME


def test_fewer_declared_replicas_are_no_loss():
    assert outcome(world(placed(EVEN, {"a": 2, "b": 2})), replicas={"web": 2}).verdict is Verdict.CHANGES


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 0),
        ([{"operator": "Exists"}], None),
        ([{"key": "site", "operator": "Exists", "tolerationSeconds": 30}], 30),
        ([{"key": "site", "operator": "Exists", "tolerationSeconds": -1}], 0),
        ([{"operator": "Exists"}, {"key": "site", "operator": "Exists", "tolerationSeconds": 30}], None),
        ([{"key": "site", "value": "gone", "effect": "NoSchedule"}], 0),
    ],
)
def test_first_matching_toleration_gives_the_time(tolerations, seconds):
    assert evicted_after([NO_EXECUTE, Taint("other")], tolerations) == seconds
    assert evicted_after([Taint("other")], tolerations) is None


@pytest.mark.parametrize(
    ("release", "on"),
    [("1.10.7", True), ("1.10.8", False), ("1.10", None), ("1.11.3", True), ("1.11.4", False), ("1.12.0", False),
     ("v1.18.2", False), ("1.13", False), ("no version", None)],
)  # fmt: skip
def test_failover_is_on_by_default_up_to_a_patch_release(release, on):
    assert gate_by_default(release) is on


# -- every loss, and upgrades ------------------------------------------------------------------------


def fleet():
    return (
        ClusterFacts("a", region="eu", zones=("eu-1",)),
        ClusterFacts("b", region="eu", zones=("eu-2",)),
        ClusterFacts("c", region="us", zones=("us-1", "us-2")),
    )


def test_every_cluster_region_and_zone_is_lost_once():
    found = losses(world(placed(EVEN, {"a": 2, "b": 2}), among=fleet()))
    assert {(one.kind, one.name): one.clusters for one in found} == {
        ("cluster", "a"): ("a",),
        ("cluster", "b"): ("b",),
        ("cluster", "c"): ("c",),
        ("region", "eu"): ("a", "b"),
        ("region", "us"): ("c",),
        ("zone", "eu-1"): ("a",),
        ("zone", "eu-2"): ("b",),
    }
    assert [(one.kind, one.name) for one in found if one.single_point] == [("region", "eu")]


def test_losses_are_added_to_the_assumptions():
    found = losses(world(placed(EVEN, {"a": 2, "b": 2}), among=fleet()), Assumed(frozenset("a")))
    assert ("cluster", "b") in [(one.kind, one.name) for one in found if one.single_point]


def test_workload_that_may_end_is_not_reported_as_ending():
    given = world(placed({**AB, "replicaScheduling": DYNAMIC}, {"b": 4}), gate=True, policies=(EVICTS,),
                  among=clusters("a", "b", free=9))  # fmt: skip
    lost_b = next(one for one in losses(given) if one.name == "b")
    assert (lost_b.single_point, [one.template for one in lost_b.may_end]) == (False, ["Deployment default/web"])


def test_upgrade_lists_zones_that_will_match():
    zoned = {"clusterAffinity": {"fieldSelector": {"matchExpressions": [
        {"key": "zone", "operator": "In", "values": ["us-1"]}]}}, **EVERYWHERE}  # fmt: skip
    given = world(placed(zoned, {}), among=fleet(), version=Version(1, 17))
    (found,) = changed_decisions(given, Scheduler(NEW))
    assert (found.fits, found.now, found.then) == (("c",), {}, {"c": 4})


def test_upgrade_lists_workloads_whose_division_changes():
    uneven = {"replicaScheduling": weights(a=6, b=3, c=1)}
    given = world(placed(uneven, {"a": 1}, replicas=5), version=OLD)
    found = changed_decisions(given, Scheduler(NEW))
    assert [one.template for one in found] == ["Deployment default/web"]
    assert found[0].now != found[0].then
    assert changed_decisions(given, Scheduler(OLD)) == []


def test_scheduled_replicas_stay_at_an_upgrade():
    uneven = {"replicaScheduling": weights(a=6, b=3, c=1)}
    given = world(placed(uneven, {"a": 4, "b": 1}, replicas=5), version=OLD)
    applied = Current({"a": 4, "b": 1}, placement=None)
    assert applied.placement is None
    found = outcome(given, scheduler=Scheduler(NEW), failovers=(Failover(),))
    assert (found.verdict, found.after) == (Verdict.SAME, {"a": 4, "b": 1})
