"""Karmada's scheduling by free capacity: dynamic weights, aggregation, and what nobody knows."""

import pytest

from flotilla.karmada.scheduling import (
    Capacity,
    Certain,
    ClusterFacts,
    Depends,
    Scheduler,
    Why,
    demand_of,
    facts_of,
    first_of,
)
from flotilla.karmada.scheduling.capacity import room
from flotilla.karmada.scheduling.facts import ModelNodes
from tests.unit.schedules import (
    AB,
    ABC,
    AGGREGATED,
    DYNAMIC,
    GROUPS,
    NEW,
    OLD,
    answer,
    fleet,
    shares,
    spread,
    template,
)


def test_dynamic_weights_are_the_room():
    assert shares(fleet(a=6, b=2), {"replicaScheduling": DYNAMIC}) == {"a": 3, "b": 1}


def test_aggregated_fills_as_few_clusters_as_can_be():
    assert shares(fleet(a=3, b=9), {"replicaScheduling": AGGREGATED}) == {"b": 4}
    assert shares(fleet(a=3, b=2), {"replicaScheduling": AGGREGATED}, template(5)) == {"a": 3, "b": 2}


def test_without_room_for_all_nothing_changes():
    found = answer(fleet(a=1, b=2), {"replicaScheduling": DYNAMIC}, template(9), shares={"a": 1})
    assert dict(found.shares) == {"a": 1}
    assert found.problem == "Clusters available replicas 3 are not enough to schedule."


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED])
def test_scaling_up_only_adds(scheduling):
    found = shares(fleet(a=2, b=9), {"replicaScheduling": scheduling}, template(6), shares={"a": 4})
    assert found["a"] >= 4
    assert sum(found.values()) == 6


def test_scaling_up_aggregated_goes_where_it_is_already():
    assert shares(fleet(a=2, b=9), {"replicaScheduling": AGGREGATED}, template(6), shares={"a": 4}) == {"a": 6}


def test_scaling_down_takes_from_each_in_proportion():
    placement = {"replicaScheduling": DYNAMIC}
    assert shares(fleet(a=0, b=0), placement, template(3), shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}


def test_before_1_17_scaling_down_keeps_clusters_that_are_no_longer_chosen():
    placement = {"clusterAffinity": {"clusterNames": ["a"]}, "replicaScheduling": DYNAMIC}
    asked = (fleet(a=9, b=9), placement, template(3))
    assert shares(*asked, shares={"a": 4, "b": 2}) == {"a": 3}
    assert shares(*asked, scheduler=OLD, shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}


def test_what_is_scheduled_again_is_divided_by_the_whole_room():
    placement = {"replicaScheduling": DYNAMIC}
    assert shares(fleet(a=0, b=6), placement, template(4), shares={"a": 4}, fresh=True) == {"a": 2, "b": 2}
    assert shares(fleet(a=0, b=6), placement, template(4), shares={"a": 4}) == {"a": 4}


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED])
def test_unknown_capacity_is_karmadas_choice(scheduling):
    found = answer(AB, {"replicaScheduling": scheduling})
    assert (found.why, dict(found.candidates), found.may_fail) == (Why.CAPACITY, {"a": (0, 4), "b": (0, 4)}, True)
    assert sum(first_of(found).values()) == 4
    assert (
        answer(fleet(a=9, b=9), {"replicaScheduling": scheduling}, scheduler=Scheduler(estimators=True)).why
        is Why.CAPACITY
    )


def test_without_the_capacity_scaling_up_takes_nothing_away_and_scaling_down_is_certain():
    placement = {"replicaScheduling": DYNAMIC}
    found = answer(AB, placement, template(8), shares={"a": 5, "b": 1})
    assert (found.why, dict(found.candidates)) == (Why.CAPACITY, {"a": (5, 7), "b": (1, 3)})
    assert shares(AB, placement, template(3), shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}
    assert shares(AB, placement, template(6), shares={"a": 4, "b": 2}) == {"a": 4, "b": 2}


def test_unknown_capacity_matters_to_a_spread_only_where_clusters_are_left_over():
    assert shares(AB, {"spreadConstraints": [spread(1, 2)]}) == {"a": 4, "b": 4}
    assert answer(AB, {"spreadConstraints": [spread(1, 1)]}).why is Why.CAPACITY


def test_unknown_capacity_moves_nothing_that_a_spread_has_placed():
    """It said that Karmada chooses again; clusters that have the template come first, whatever room others have."""
    placement = {"spreadConstraints": [spread(1, 1)]}
    assert shares(AB, placement, template(6), shares={"b": 4}) == {"b": 6}
    assert answer(ABC, {"spreadConstraints": [spread(1, 2)]}, template(6), shares={"b": 4}).why is Why.CAPACITY


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED])
def test_unknown_capacity_matters_to_no_spread_whose_clusters_have_replicas_enough(scheduling):
    """Fewer replicas are taken from where they are; more need room, and may move to where it is."""
    placement = {"replicaScheduling": scheduling, "spreadConstraints": [spread(1, 1)]}
    assert shares(AB, placement, template(3), shares={"b": 4}) == {"b": 3}
    assert answer(AB, placement, template(5), shares={"b": 4}).why is Why.CAPACITY


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED, {"replicaSchedulingType": "Duplicated"}])
@pytest.mark.parametrize(
    "constraints",
    [
        [spread(3, 4)],
        [{"spreadByField": "cluster", "minGroups": 1}],
        [spread(2, 2, "region"), spread(1, 2)],
        [{"spreadByLabel": "site", "minGroups": 1}],
    ],
)
def test_a_spread_that_cannot_be_met_is_certain_without_the_capacity(scheduling, constraints):
    """It said that Karmada chooses among the clusters, by free capacity, where it schedules nothing in any case."""
    clusters = [ClusterFacts(name, region="eu") for name in "ab"]
    found = answer(clusters, {"replicaScheduling": scheduling, "spreadConstraints": constraints})
    assert isinstance(found, Certain)
    assert (found.shares, bool(found.problem)) == ({}, True)


def test_unknown_capacity_of_a_group_leaves_the_next_one_open():
    found = answer(AB, {**GROUPS, "replicaScheduling": DYNAMIC})
    assert isinstance(found, Depends)
    assert set(found.candidates) == {"a", "b"}


def demand(cpu="500m", replicas=4, **keys):
    return demand_of(template(replicas, cpu=cpu), NEW, **keys)


def test_room_is_bounded_by_pods_and_by_what_a_pod_asks_for():
    cluster = ClusterFacts("a", capacity=Capacity({"cpu": "4", "pods": "110"}, {"cpu": "1500m"}, {"pods": "107"}))
    assert room(cluster, demand("500m"), NEW) == 3
    assert room(cluster, demand("1"), NEW) == 2
    assert room(cluster, demand(None), NEW) == 3


def test_a_cluster_that_reports_no_resources_is_full():
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert room(facts_of({"metadata": {"name": "a"}, "status": status}), demand(), NEW) == 0
    assert room(facts_of({"metadata": {"name": "a"}}), demand(), NEW) is None


def test_a_resource_that_a_cluster_does_not_have_leaves_no_room():
    cluster = ClusterFacts("a", capacity=Capacity({"pods": "110"}))
    assert room(cluster, demand(), NEW) == 0


def test_nodes_by_grade_bound_the_room_by_version():
    """Two nodes of at least one CPU and one of at least four: what fits of 1500m on each."""
    models = (ModelNodes(2, {"cpu": "1"}), ModelNodes(1, {"cpu": "4"}))
    cluster = ClusterFacts("a", capacity=Capacity({"cpu": "64", "pods": "110"}, models=models))
    assert room(cluster, demand("1500m"), NEW) == 2
    assert room(cluster, demand("1500m"), OLD) == 2
    assert room(cluster, demand("500m"), NEW) == 12
    assert room(cluster, demand("5"), OLD) == 0
