"""The rules of Karmada's scheduling, one by one.

For decisions of real Karmada, see tests/unit/test_scheduling_recorded.py.
"""

from dataclasses import replace

import pytest

from flotilla.karmada.scheduling import (
    Bar,
    ClusterFacts,
    Scheduler,
    Taint,
    Why,
    allows,
    first_of,
    matches,
)
from flotilla.karmada.versions import SUPPORTED, Version
from tests.unit.schedules import (
    AB,
    ABC,
    AGGREGATED,
    CONFIG,
    DIVIDED,
    DOWNWARDS,
    DYNAMIC,
    GROUPS,
    NEW,
    OLD,
    UPWARDS,
    answer,
    fleet,
    pods,
    shares,
    spread,
    template,
    weights,
)

# -- affinity --


@pytest.mark.parametrize(("scheduler", "expected"), [(NEW, True), (Scheduler(Version(1, 17)), False)])
def test_before_1_18_every_zone_of_a_cluster_has_to_be_listed(scheduler, expected):
    affinity = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}}
    assert matches(ClusterFacts("a", zones=("z1", "z2")), affinity, scheduler.version) is expected


@pytest.mark.parametrize(
    ("operator", "with_region", "without"), [("Exists", True, False), ("DoesNotExist", False, True)]
)
def test_field_can_be_required_to_exist(operator, with_region, without):
    affinity = {"fieldSelector": {"matchExpressions": [{"key": "region", "operator": operator}]}}
    assert matches(ClusterFacts("a", region="eu"), affinity, SUPPORTED.newest) is with_region
    assert matches(ClusterFacts("a"), affinity, SUPPORTED.newest) is without


def test_affinity_groups_are_tried_in_order_until_one_has_room():
    placement = {**GROUPS, "replicaScheduling": AGGREGATED}
    found = answer(fleet(a=2, b=9), placement)
    assert (found.group, dict(found.shares)) == ("cloud", {"b": 4})


def test_affinity_groups_continue_from_the_chosen_one():
    assert answer(AB, GROUPS, shares={"b": 4}, group="cloud").group == "cloud"
    assert answer(AB, GROUPS, shares={"b": 4}, group="gone").group == "own"


def test_first_reason_counts_if_no_affinity_group_fits():
    tainted = [replace(one, taints=(Taint("x"),)) for one in AB]
    found = answer(tainted, GROUPS)
    assert (dict(found.shares), found.cleared) == ({}, True)
    assert "1 cluster(s) had untolerated taint {x:NoSchedule}" in found.problem


OVERFLOW = {
    "clusterAffinities": [
        {
            "affinityName": "own",
            "clusterNames": ["a"],
            "overflowAffinities": [{"affinityName": "cloud", "clusterNames": ["b"]}],
        }
    ],
    "replicaScheduling": DYNAMIC,
}


def test_full_affinity_group_overflows_since_1_18():
    assert shares(fleet(a=3, b=9), OVERFLOW) == {"a": 3, "b": 1}
    assert answer(fleet(a=3, b=9), OVERFLOW, scheduler=Scheduler(Version(1, 17))).problem


def test_workload_that_needs_no_capacity_does_not_overflow():
    assert shares(fleet(a=3, b=9), OVERFLOW, CONFIG) == {"a": None}


# -- taints, kinds, fields --


def test_taints_do_not_matter_for_a_cluster_that_has_the_workload():
    clusters = [ClusterFacts("a"), ClusterFacts("b", taints=(Taint("x"),))]
    assert shares(clusters, {}, shares={"a": 4, "b": 4}) == {"a": 4, "b": 4}
    found = answer(clusters, {})
    assert (dict(found.shares), found.refused["b"].taint) == ({"a": 4}, Taint("x"))


def test_webhook_before_1_15_tolerates_members_that_do_not_answer():
    away = [ClusterFacts("a", taints=(Taint("cluster.karmada.io/not-ready", "", "NoExecute"),))]
    assert shares(away, {}, scheduler=Scheduler(Version(1, 14))) == {"a": 4}
    assert answer(away, {}, scheduler=NEW).refused["a"].bar is Bar.TAINT


def test_cluster_that_does_not_serve_the_kind_is_excluded():
    clusters = [ClusterFacts("a", served=frozenset({("v1", "Pod")})), ClusterFacts("b")]
    found = answer(clusters, {})
    assert (dict(found.shares), str(found.refused["a"])) == ({"b": 4}, "it doesn't serve Deployment in apps/v1")


def test_kind_that_is_no_longer_served_removes_no_workload_since_1_12():
    clusters = [ClusterFacts("a", served=frozenset({("v1", "Pod")}))]
    assert shares(clusters, {}, shares={"a": 4}) == {"a": 4}
    assert answer(clusters, {}, scheduler=OLD, shares={"a": 4}).cleared


def test_cluster_without_the_spread_field_is_excluded():
    placement = {"spreadConstraints": [{"spreadByField": "provider"}, {"spreadByField": "cluster", "maxGroups": 5}]}
    clusters = [ClusterFacts("a", provider="own", capacity=pods(9)), ClusterFacts("b", capacity=pods(9))]
    found = answer(clusters, placement)
    assert (dict(found.shares), found.refused["b"].bar) == ({"a": 4}, Bar.FIELD)


def test_cluster_in_deletion_gets_nothing_since_1_14():
    clusters = [ClusterFacts("a", deleting=True), ClusterFacts("b")]
    assert shares(clusters, {}) == {"b": 4}
    assert shares(clusters, {}, scheduler=OLD) == {"a": 4, "b": 4}


def test_cluster_that_the_workload_is_evicted_from_gets_nothing():
    assert shares(AB, {}, evicting=frozenset({"a"})) == {"b": 4}


# -- spread --


def test_spread_takes_clusters_with_the_workload_first_and_then_those_with_most_room():
    placement = {"spreadConstraints": [spread(1, 2)]}
    assert set(shares(fleet(a=1, b=9, c=5), placement)) == {"b", "c"}
    assert set(shares(fleet(a=1, b=9, c=5), placement, shares={"a": 4})) == {"a", "b"}


def test_divided_spread_exchanges_clusters_until_there_is_room():
    placement = {"spreadConstraints": [spread(1, 1)], "replicaScheduling": AGGREGATED}
    assert shares(fleet(a=1, b=9), placement, template(5), shares={"a": 1}) == {"b": 5}


def test_spread_that_cannot_be_met_changes_nothing():
    found = answer(AB, {"spreadConstraints": [spread(3, 3)]}, shares={"a": 4})
    assert (dict(found.shares), found.cleared) == ({"a": 4}, False)
    assert "MinGroups" in found.problem


def test_spread_without_an_upper_bound_takes_no_cluster():
    """Karmada reads a missing maxGroups as zero."""
    assert answer(fleet(a=9), {"spreadConstraints": [{"spreadByField": "cluster"}]}).problem


def test_static_weights_ignore_a_spread():
    placement = {"spreadConstraints": [spread(1, 1)], "replicaScheduling": weights(a=1, b=1)}
    assert shares(AB, placement) == {"a": 2, "b": 2}


def regions(**by_region):
    return [
        ClusterFacts(f"{region}{n}", region=region, capacity=pods(free))
        for region, frees in by_region.items()
        for n, free in enumerate(frees)
    ]


def test_spread_by_region_takes_the_best_cluster_of_each_and_then_the_best_remaining():
    placement = {"spreadConstraints": [spread(2, 2, "region"), spread(2, 3)]}
    assert set(shares(regions(eu=[5, 9], us=[7, 6], asia=[1]), placement)) == {"eu1", "us0", "us1"}


def test_regions_are_ranked_by_room_since_1_12():
    placement = {"spreadConstraints": [spread(1, 1, "region"), spread(1, 9)]}
    clusters = regions(asia=[1], us=[9])
    assert set(shares(clusters, placement)) == {"us0"}
    assert set(shares(clusters, placement, scheduler=OLD)) == {"asia0"}


@pytest.mark.parametrize("constraint", [spread(1, 2, "zone"), {"spreadByLabel": "site", "minGroups": 1}])
def test_spread_by_zone_or_label_alone_is_an_error_in_every_version(constraint):
    clusters = [ClusterFacts("a", zones=("z",), capacity=pods(9))]
    assert "just support" in answer(clusters, {"spreadConstraints": [constraint]}).problem


def test_more_regions_than_the_model_tries_are_karmadas_choice():
    clusters = regions(**{f"r{n:02}": [5] for n in range(17)})
    found = answer(clusters, {"spreadConstraints": [spread(2, 3, "region"), spread(2, 3)]})
    assert (found.why, len(found.candidates)) == (Why.COMBINATIONS, 17)


# -- static weights --


def test_division_is_by_webster_since_1_16_and_by_largest_weight_before():
    placement = {"replicaScheduling": weights(a=5, b=3, c=1)}
    assert shares(ABC, placement, template(7)) == {"a": 4, "b": 2, "c": 1}
    assert shares(ABC, placement, template(7), scheduler=OLD) == {"a": 4, "b": 3}


@pytest.mark.parametrize(("uid", "expected"), [(UPWARDS, {"a": 2, "b": 1}), (DOWNWARDS, {"a": 1, "b": 2})])
def test_templates_uid_breaks_a_tie(uid, expected):
    assert shares(AB, {"replicaScheduling": weights(a=1, b=1)}, template(3, uid=uid)) == expected


@pytest.mark.parametrize("scheduler", [NEW, OLD])
def test_tie_without_a_uid_or_before_1_16_is_karmadas_choice(scheduler):
    found = answer(AB, {"replicaScheduling": weights(a=1, b=1)}, template(3), scheduler=scheduler)
    assert (found.why, dict(found.candidates), found.total) == (Why.TIE, {"a": (1, 2), "b": (1, 2)}, 3)
    assert allows(found, {"a": 2, "b": 1})
    assert allows(found, {"a": 1, "b": 2})
    assert not allows(found, {"a": 2, "b": 2})
    assert not allows(found, {"a": 3})
    assert first_of(found) == {"a": 2, "b": 1}


def test_current_replicas_break_a_tie_before_1_16():
    placement = {"replicaScheduling": weights(a=1, b=1)}
    assert shares(AB, placement, template(3), scheduler=OLD, shares={"b": 2, "a": 1}) == {"a": 1, "b": 2}


def test_current_replicas_break_no_tie_before_1_16_if_no_weight_matches():
    found = answer(AB, {"replicaScheduling": weights(z=1)}, template(3), scheduler=OLD, shares={"b": 2, "a": 2})
    assert dict(found.candidates) == {"a": (1, 2), "b": (1, 2)}


def test_weights_that_match_nothing_are_replaced_by_equal_weights():
    assert shares(AB, {"replicaScheduling": weights(z=5)}) == {"a": 2, "b": 2}


def test_cluster_without_a_weight_gets_nothing():
    assert shares(AB, {"replicaScheduling": weights(a=5)}) == {"a": 4}


# -- rescheduling --


def test_division_stays_while_placement_and_replicas_are_unchanged():
    placement = {"replicaScheduling": weights(a=1, b=1)}
    kept = {"shares": {"a": 4}, "placement": placement}
    assert shares(AB, placement, **kept) == {"a": 4}
    assert shares(AB, placement, template(6), **kept) == {"a": 3, "b": 3}
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, **kept) == {"a": 3, "b": 1}


def test_duplicated_template_is_always_rescheduled():
    assert shares(AB, {}, shares={"a": 4}, placement={}) == {"a": 4, "b": 4}


def test_only_a_change_of_the_chosen_affinity_group_counts():
    placement = {**GROUPS, "replicaScheduling": weights(b=1)}
    other = {**placement, "clusterAffinities": [{"affinityName": "own"}, placement["clusterAffinities"][1]]}
    kept = {"shares": {"b": 4}, "group": "cloud", "placement": placement}
    assert shares(AB, other, **kept) == {"b": 4}
    changed = {**placement, "clusterAffinities": [{"affinityName": "cloud"}]}
    assert answer([*AB, ClusterFacts("c")], {**changed, "replicaScheduling": weights(c=1)}, **kept).shares == {"c": 4}


def test_failure_stays_while_nothing_is_rescheduled():
    placement = {"replicaScheduling": DIVIDED}
    found = answer(AB, placement, template(0, cpu="1"), shares={}, placement=placement, problem="nothing fits")
    assert found.problem == "nothing fits"
