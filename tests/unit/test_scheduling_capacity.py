"""Karmada's scheduling by free capacity: dynamic weights, aggregation, and unknown capacity."""

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


def test_dynamic_weights_are_the_free_capacities():
    assert shares(fleet(a=6, b=2), {"replicaScheduling": DYNAMIC}) == {"a": 3, "b": 1}


def test_aggregated_uses_as_few_clusters_as_possible():
    assert shares(fleet(a=3, b=9), {"replicaScheduling": AGGREGATED}) == {"b": 4}
    assert shares(fleet(a=3, b=2), {"replicaScheduling": AGGREGATED}, template(5)) == {"a": 3, "b": 2}


def test_nothing_changes_without_enough_room():
    found = answer(fleet(a=1, b=2), {"replicaScheduling": DYNAMIC}, template(9), shares={"a": 1})
    assert dict(found.shares) == {"a": 1}
    assert found.problem == "Clusters available replicas 3 are not enough to schedule."


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED])
def test_scaling_up_only_adds_replicas(scheduling):
    found = shares(fleet(a=2, b=9), {"replicaScheduling": scheduling}, template(6), shares={"a": 4})
    assert found["a"] >= 4
    assert sum(found.values()) == 6


def test_scaling_up_aggregated_prefers_clusters_with_replicas():
    assert shares(fleet(a=2, b=9), {"replicaScheduling": AGGREGATED}, template(6), shares={"a": 4}) == {"a": 6}


def test_scaling_down_removes_in_proportion():
    placement = {"replicaScheduling": DYNAMIC}
    assert shares(fleet(a=0, b=0), placement, template(3), shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}


def test_scaling_down_before_1_17_keeps_clusters_that_are_no_longer_chosen():
    placement = {"clusterAffinity": {"clusterNames": ["a"]}, "replicaScheduling": DYNAMIC}
    asked = (fleet(a=9, b=9), placement, template(3))
    assert shares(*asked, shares={"a": 4, "b": 2}) == {"a": 3}
    assert shares(*asked, scheduler=OLD, shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}


def test_rescheduling_divides_by_the_whole_capacity():
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


def test_with_unknown_capacity_scaling_up_removes_nothing_and_scaling_down_is_certain():
    placement = {"replicaScheduling": DYNAMIC}
    found = answer(AB, placement, template(8), shares={"a": 5, "b": 1})
    assert (found.why, dict(found.candidates)) == (Why.CAPACITY, {"a": (5, 7), "b": (1, 3)})
    assert shares(AB, placement, template(3), shares={"a": 4, "b": 2}) == {"a": 2, "b": 1}
    assert shares(AB, placement, template(6), shares={"a": 4, "b": 2}) == {"a": 4, "b": 2}


def test_unknown_capacity_matters_to_a_spread_only_if_clusters_are_left_over():
    assert shares(AB, {"spreadConstraints": [spread(1, 2)]}) == {"a": 4, "b": 4}
    assert answer(AB, {"spreadConstraints": [spread(1, 1)]}).why is Why.CAPACITY


def test_unknown_capacity_does_not_move_a_placed_spread():
    """Clusters that have the template come first, whatever the others' capacity.

    Regression: the result was shown as Karmada's choice.
    """
    placement = {"spreadConstraints": [spread(1, 1)]}
    assert shares(AB, placement, template(6), shares={"b": 4}) == {"b": 6}
    assert answer(ABC, {"spreadConstraints": [spread(1, 2)]}, template(6), shares={"b": 4}).why is Why.CAPACITY


@pytest.mark.parametrize("scheduling", [DYNAMIC, AGGREGATED])
def test_unknown_capacity_does_not_matter_to_a_spread_with_enough_replicas(scheduling):
    """Removed replicas come from their current clusters. More replicas need capacity and may move to where it is."""
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
def test_spread_that_cannot_be_met_is_certain_with_unknown_capacity(scheduling, constraints):
    """Karmada schedules nothing in any case. Regression: the result was shown as Karmada's choice by free capacity."""
    clusters = [ClusterFacts(name, region="eu") for name in "ab"]
    found = answer(clusters, {"replicaScheduling": scheduling, "spreadConstraints": constraints})
    assert isinstance(found, Certain)
    assert (found.shares, bool(found.problem)) == ({}, True)


def test_unknown_capacity_of_an_affinity_group_leaves_the_next_group_possible():
    found = answer(AB, {**GROUPS, "replicaScheduling": DYNAMIC})
    assert isinstance(found, Depends)
    assert set(found.candidates) == {"a", "b"}


def demand(cpu="500m", replicas=4, **keys):
    return demand_of(template(replicas, cpu=cpu), NEW, **keys)


def test_capacity_is_bounded_by_pods_and_by_their_requests():
    cluster = ClusterFacts("a", capacity=Capacity({"cpu": "4", "pods": "110"}, {"cpu": "1500m"}, {"pods": "107"}))
    assert room(cluster, demand("500m"), NEW) == 3
    assert room(cluster, demand("1"), NEW) == 2
    assert room(cluster, demand(None), NEW) == 3


def test_cluster_that_reports_no_resources_is_full():
    status = {"conditions": [{"type": "Ready", "status": "True"}]}
    assert room(facts_of({"metadata": {"name": "a"}, "status": status}), demand(), NEW) == 0
    assert room(facts_of({"metadata": {"name": "a"}}), demand(), NEW) is None


def test_resource_that_a_cluster_does_not_have_leaves_no_capacity():
    cluster = ClusterFacts("a", capacity=Capacity({"pods": "110"}))
    assert room(cluster, demand(), NEW) == 0


def test_resource_models_bound_the_capacity_by_version():
    """Two nodes with at least one CPU and one node with at least four: how many pods of 1500m fit."""
    models = (ModelNodes(2, {"cpu": "1"}), ModelNodes(1, {"cpu": "4"}))
    cluster = ClusterFacts("a", capacity=Capacity({"cpu": "64", "pods": "110"}, models=models))
    assert room(cluster, demand("1500m"), NEW) == 2
    assert room(cluster, demand("1500m"), OLD) == 2
    assert room(cluster, demand("500m"), NEW) == 12
    assert room(cluster, demand("5"), OLD) == 0
