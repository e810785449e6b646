"""The rules of Karmada's scheduling, one by one; tests/unit/test_scheduling_recorded.py has real decisions."""

from dataclasses import replace

import pytest

from flotilla.karmada.scheduling import (
    Bar,
    Capacity,
    Certain,
    ClusterFacts,
    Current,
    Depends,
    Scheduler,
    Taint,
    Why,
    allows,
    decide,
    demand_of,
    demand_of_binding,
    facts_of,
    first_of,
    matches,
)
from flotilla.karmada.scheduling.capacity import room
from flotilla.karmada.scheduling.facts import ModelNodes
from flotilla.karmada.versions import Version

NEW, OLD = Scheduler(Version(1, 18)), Scheduler(Version(1, 10))
DIVIDED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
DYNAMIC = {**DIVIDED, "weightPreference": {"dynamicWeight": "AvailableReplicas"}}
AGGREGATED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}
# The hash of the first is even, so that ties go to the first name; that of the second is odd.
UPWARDS, DOWNWARDS = "1", "2"


def weights(**by_name):
    listed = [{"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in by_name.items()]
    return {**DIVIDED, "weightPreference": {"staticWeightList": listed}}


def template(replicas=4, *, cpu=None, uid="", kind="Deployment", api_version="apps/v1", **spec):
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    pod = {"spec": {"containers": [{"name": "c", "resources": resources}]}}
    field = "parallelism" if kind == "Job" else "replicas"
    body = {field: replicas, "template": pod, **spec}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "uid": uid}, "spec": body}


CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}


def pods(free):
    return Capacity({"pods": str(free + 10)}, {"pods": "10"})


def fleet(**free):
    return [ClusterFacts(name, capacity=pods(count)) for name, count in free.items()]


def answer(clusters, asked, obj=None, /, *, scheduler=NEW, **current):
    obj = template() if obj is None else obj
    given = Current(**current) if current else Current()
    return decide(clusters, asked, demand_of(obj, scheduler or NEW), current=given, scheduler=scheduler)


def shares(*args, **keys):
    found = answer(*args, **keys)
    assert isinstance(found, Certain), found
    return dict(found.shares)


AB = [ClusterFacts("a"), ClusterFacts("b")]


# -- affinity --


@pytest.mark.parametrize(("scheduler", "expected"), [(NEW, True), (Scheduler(Version(1, 17)), False)])
def test_before_1_18_every_zone_of_a_cluster_has_to_be_listed(scheduler, expected):
    affinity = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}}
    assert matches(ClusterFacts("a", zones=("z1", "z2")), affinity, scheduler.version) is expected


@pytest.mark.parametrize(
    ("operator", "with_region", "without"), [("Exists", True, False), ("DoesNotExist", False, True)]
)
def test_fields_may_be_asked_for_being_there(operator, with_region, without):
    affinity = {"fieldSelector": {"matchExpressions": [{"key": "region", "operator": operator}]}}
    assert matches(ClusterFacts("a", region="eu"), affinity) is with_region
    assert matches(ClusterFacts("a"), affinity) is without


GROUPS = {
    "clusterAffinities": [
        {"affinityName": "own", "clusterNames": ["a"]},
        {"affinityName": "cloud", "clusterNames": ["b"]},
    ]
}


def test_groups_are_tried_in_order_until_one_has_room():
    placement = {**GROUPS, "replicaScheduling": AGGREGATED}
    found = answer(fleet(a=2, b=9), placement)
    assert (found.group, dict(found.shares)) == ("cloud", {"b": 4})


def test_groups_go_on_from_the_one_that_was_taken():
    assert answer(AB, GROUPS, shares={"b": 4}, group="cloud").group == "cloud"
    assert answer(AB, GROUPS, shares={"b": 4}, group="gone").group == "own"


def test_where_no_group_fits_the_first_reason_counts():
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


def test_a_full_group_overflows_since_1_18():
    assert shares(fleet(a=3, b=9), OVERFLOW) == {"a": 3, "b": 1}
    assert answer(fleet(a=3, b=9), OVERFLOW, scheduler=Scheduler(Version(1, 17))).problem


def test_what_needs_no_room_does_not_overflow():
    assert shares(fleet(a=3, b=9), OVERFLOW, CONFIG) == {"a": None}


# -- taints, kinds, fields --


def test_a_cluster_that_has_the_workload_is_not_asked_for_its_taints():
    clusters = [ClusterFacts("a"), ClusterFacts("b", taints=(Taint("x"),))]
    assert shares(clusters, {}, shares={"a": 4, "b": 4}) == {"a": 4, "b": 4}
    found = answer(clusters, {})
    assert (dict(found.shares), found.refused["b"].taint) == ({"a": 4}, Taint("x"))


def test_before_1_15_the_webhook_tolerates_members_that_do_not_answer():
    away = [ClusterFacts("a", taints=(Taint("cluster.karmada.io/not-ready", "", "NoExecute"),))]
    assert shares(away, {}, scheduler=Scheduler(Version(1, 14))) == {"a": 4}
    assert answer(away, {}, scheduler=NEW).refused["a"].bar is Bar.TAINT


def test_a_cluster_that_does_not_serve_the_kind_is_left_out():
    clusters = [ClusterFacts("a", served=frozenset({("v1", "Pod")})), ClusterFacts("b")]
    found = answer(clusters, {})
    assert (dict(found.shares), str(found.refused["a"])) == ({"b": 4}, "it doesn't serve Deployment in apps/v1")


def test_since_1_12_a_kind_that_is_gone_takes_no_workload_away():
    clusters = [ClusterFacts("a", served=frozenset({("v1", "Pod")}))]
    assert shares(clusters, {}, shares={"a": 4}) == {"a": 4}
    assert answer(clusters, {}, scheduler=OLD, shares={"a": 4}).cleared


def test_a_cluster_without_the_field_to_spread_by_is_left_out():
    placement = {"spreadConstraints": [{"spreadByField": "provider"}, {"spreadByField": "cluster", "maxGroups": 5}]}
    clusters = [ClusterFacts("a", provider="own", capacity=pods(9)), ClusterFacts("b", capacity=pods(9))]
    found = answer(clusters, placement)
    assert (dict(found.shares), found.refused["b"].bar) == ({"a": 4}, Bar.FIELD)


def test_a_cluster_that_is_being_deleted_gets_nothing_since_1_14():
    clusters = [ClusterFacts("a", deleting=True), ClusterFacts("b")]
    assert shares(clusters, {}) == {"b": 4}
    assert shares(clusters, {}, scheduler=OLD) == {"a": 4, "b": 4}


def test_a_cluster_that_the_workload_is_evicted_from_gets_nothing():
    assert shares(AB, {}, evicting=frozenset({"a"})) == {"b": 4}


# -- spread --


def spread(least, most, field="cluster"):
    return {"spreadByField": field, "minGroups": least, "maxGroups": most}


def test_a_spread_takes_those_that_have_it_then_those_with_the_most_room():
    placement = {"spreadConstraints": [spread(1, 2)]}
    assert set(shares(fleet(a=1, b=9, c=5), placement)) == {"b", "c"}
    assert set(shares(fleet(a=1, b=9, c=5), placement, shares={"a": 4})) == {"a", "b"}


def test_a_divided_spread_exchanges_clusters_until_there_is_room():
    placement = {"spreadConstraints": [spread(1, 1)], "replicaScheduling": AGGREGATED}
    assert shares(fleet(a=1, b=9), placement, template(5), shares={"a": 1}) == {"b": 5}


def test_a_spread_that_cannot_be_met_leaves_everything_as_it_is():
    found = answer(AB, {"spreadConstraints": [spread(3, 3)]}, shares={"a": 4})
    assert (dict(found.shares), found.cleared) == ({"a": 4}, False)
    assert "MinGroups" in found.problem


def test_a_spread_without_an_upper_bound_takes_no_cluster():
    """Karmada reads a missing maxGroups as none at all."""
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


def test_a_spread_by_region_takes_the_best_of_each_and_then_the_best_of_the_rest():
    placement = {"spreadConstraints": [spread(2, 2, "region"), spread(2, 3)]}
    assert set(shares(regions(eu=[5, 9], us=[7, 6], asia=[1]), placement)) == {"eu1", "us0", "us1"}


def test_regions_are_weighed_by_room_since_1_12():
    placement = {"spreadConstraints": [spread(1, 1, "region"), spread(1, 9)]}
    clusters = regions(asia=[1], us=[9])
    assert set(shares(clusters, placement)) == {"us0"}
    assert set(shares(clusters, placement, scheduler=OLD)) == {"asia0"}


@pytest.mark.parametrize("constraint", [spread(1, 2, "zone"), {"spreadByLabel": "site", "minGroups": 1}])
def test_a_spread_by_zone_or_label_alone_is_an_error_in_every_version(constraint):
    clusters = [ClusterFacts("a", zones=("z",), capacity=pods(9))]
    assert "just support" in answer(clusters, {"spreadConstraints": [constraint]}).problem


def test_more_regions_than_are_tried_are_karmadas_choice():
    clusters = regions(**{f"r{n:02}": [5] for n in range(17)})
    found = answer(clusters, {"spreadConstraints": [spread(2, 3, "region"), spread(2, 3)]})
    assert (found.why, len(found.candidates)) == (Why.COMBINATIONS, 17)


# -- static weights --


ABC = [ClusterFacts(name) for name in "abc"]


def test_webster_since_1_16_largest_weight_first_before():
    placement = {"replicaScheduling": weights(a=5, b=3, c=1)}
    assert shares(ABC, placement, template(7)) == {"a": 4, "b": 2, "c": 1}
    assert shares(ABC, placement, template(7), scheduler=OLD) == {"a": 4, "b": 3}


@pytest.mark.parametrize(("uid", "expected"), [(UPWARDS, {"a": 2, "b": 1}), (DOWNWARDS, {"a": 1, "b": 2})])
def test_the_templates_uid_breaks_a_tie(uid, expected):
    assert shares(AB, {"replicaScheduling": weights(a=1, b=1)}, template(3, uid=uid)) == expected


@pytest.mark.parametrize("scheduler", [NEW, OLD])
def test_a_tie_without_a_uid_or_before_1_16_is_karmadas_choice(scheduler):
    found = answer(AB, {"replicaScheduling": weights(a=1, b=1)}, template(3), scheduler=scheduler)
    assert (found.why, dict(found.candidates), found.total) == (Why.TIE, {"a": (1, 2), "b": (1, 2)}, 3)
    assert allows(found, {"a": 2, "b": 1})
    assert allows(found, {"a": 1, "b": 2})
    assert not allows(found, {"a": 2, "b": 2})
    assert not allows(found, {"a": 3})
    assert first_of(found) == {"a": 2, "b": 1}


def test_before_1_16_replicas_of_today_break_a_tie():
    placement = {"replicaScheduling": weights(a=1, b=1)}
    assert shares(AB, placement, template(3), scheduler=OLD, shares={"b": 2, "a": 1}) == {"a": 1, "b": 2}


def test_before_1_16_replicas_of_today_break_no_tie_where_no_weight_matches():
    found = answer(AB, {"replicaScheduling": weights(z=1)}, template(3), scheduler=OLD, shares={"b": 2, "a": 2})
    assert dict(found.candidates) == {"a": (1, 2), "b": (1, 2)}


def test_weights_that_match_nothing_make_all_weigh_the_same():
    assert shares(AB, {"replicaScheduling": weights(z=5)}) == {"a": 2, "b": 2}


def test_a_cluster_without_a_weight_gets_nothing():
    assert shares(AB, {"replicaScheduling": weights(a=5)}) == {"a": 4}


# -- free capacity --


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


def test_what_is_scheduled_anew_is_divided_by_the_whole_room():
    placement = {"replicaScheduling": DYNAMIC}
    assert shares(fleet(a=0, b=6), placement, template(4), shares={"a": 4}, anew=True) == {"a": 2, "b": 2}
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
    """It said that Karmada chooses anew; clusters that have the template come first, whatever room others have."""
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


# -- when it is scheduled again --


def test_a_division_stays_while_neither_placement_nor_replicas_change():
    placement = {"replicaScheduling": weights(a=1, b=1)}
    kept = {"shares": {"a": 4}, "placement": placement}
    assert shares(AB, placement, **kept) == {"a": 4}
    assert shares(AB, placement, template(6), **kept) == {"a": 3, "b": 3}
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, **kept) == {"a": 3, "b": 1}


def test_what_is_duplicated_is_always_scheduled_again():
    assert shares(AB, {}, shares={"a": 4}, placement={}) == {"a": 4, "b": 4}


def test_only_a_change_of_the_group_taken_counts():
    placement = {**GROUPS, "replicaScheduling": weights(b=1)}
    other = {**placement, "clusterAffinities": [{"affinityName": "own"}, placement["clusterAffinities"][1]]}
    kept = {"shares": {"b": 4}, "group": "cloud", "placement": placement}
    assert shares(AB, other, **kept) == {"b": 4}
    changed = {**placement, "clusterAffinities": [{"affinityName": "cloud"}]}
    assert answer([*AB, ClusterFacts("c")], {**changed, "replicaScheduling": weights(c=1)}, **kept).shares == {"c": 4}


def test_a_failure_stays_one_while_nothing_is_scheduled_again():
    placement = {"replicaScheduling": DIVIDED}
    found = answer(AB, placement, template(0, cpu="1"), shares={}, placement=placement, problem="nothing fits")
    assert found.problem == "nothing fits"


# -- kinds and replicas --


def test_kinds_without_replicas_go_everywhere_whole():
    assert shares(AB, {"replicaScheduling": weights(a=1)}, CONFIG) == {"a": None, "b": None}


def test_zero_replicas_go_nowhere_where_pods_ask_for_something():
    placement = {"replicaScheduling": DIVIDED}
    assert shares(AB, placement, template(0)) == {"a": 0, "b": 0}
    assert shares(AB, placement, template(0, cpu="1")) == {}
    assert shares(AB, placement, template(0, cpu="1"), scheduler=Scheduler(Version(1, 15))) == {"a": 0, "b": 0}
    assert shares(AB, placement, template(0, cpu="1"), scheduler=Scheduler(empty_propagation=True)) == {"a": 0, "b": 0}


@pytest.mark.parametrize(("parallelism", "completions", "expected"), [(6, 4, 4), (2, 4, 2), (3, None, 3)])
def test_a_job_runs_no_more_pods_than_it_has_completions(parallelism, completions, expected):
    spec = {} if completions is None else {"completions": completions}
    job = template(parallelism, kind="Job", api_version="batch/v1", **spec)
    assert demand_of(job, NEW).replicas == expected


def test_kinds_are_told_apart_by_their_group():
    """OpenKruise's CloneSet is divided as a Deployment is; Volcano's Job is not the Job of batch/v1."""
    clones = template(4, kind="CloneSet", api_version="apps.kruise.io/v1alpha1")
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, clones) == {"a": 3, "b": 1}
    volcano = template(4, kind="Job", api_version="batch.volcano.sh/v1alpha1")
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, volcano) == {"a": None, "b": None}


def test_replica_sets_have_replicas_since_1_16():
    one = template(4, kind="ReplicaSet")
    assert demand_of(one, NEW).replicas == 4
    assert demand_of(one, OLD).replicas is None


def test_a_kind_with_an_interpreter_of_its_own_is_karmadas_choice():
    widget = template(4, kind="Widget", api_version="toys.example.org/v1")
    assert shares(AB, {"replicaScheduling": DIVIDED}, widget) == {"a": None, "b": None}
    asked = demand_of(widget, NEW, interpreted=[("toys.example.org", "Widget")])
    found = decide(AB, {"replicaScheduling": DIVIDED}, asked, scheduler=NEW)
    assert (found.why, set(found.candidates)) == (Why.INTERPRETER, {"a", "b"})
    assert allows(found, {"a": 3, "b": 1})


def test_what_a_pod_asks_for_is_summed_as_karmada_does():
    pod = {
        "containers": [
            {"resources": {"requests": {"cpu": "1"}}},
            {"resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}},
        ],
        "initContainers": [{"resources": {"requests": {"cpu": "2"}}}],
        "overhead": {"cpu": "100m"},
    }
    one = {**template(), "spec": {"replicas": 1, "template": {"spec": pod}}}
    assert demand_of(one, NEW).requests == {"cpu": 2100, "memory": 2**30}


def test_pods_that_ask_for_certain_nodes_ask_for_something():
    one = {**template(), "spec": {"replicas": 1, "template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}}
    assert demand_of(one, NEW).requests == {}
    assert demand_of(template(), NEW).requests is None


@pytest.mark.parametrize("pod", ["text", {"containers": "text"}, {"containers": ["text"]}, {"overhead": "text"}])
def test_a_template_that_is_no_such_kind_asks_for_nothing(pod):
    """The API server says what is wrong with it; a plan of it ends in no traceback."""
    one = {**template(), "spec": {"replicas": 1, "template": {"spec": pod}}}
    assert demand_of(one, NEW).requests is None


def test_a_quantity_that_is_none_is_said_in_one_line():
    with pytest.raises(ValueError, match="Deployment web: 'lots' is no quantity of cpu"):
        demand_of(template(cpu="lots"), NEW)


def test_a_binding_asks_for_what_its_template_asks():
    resource = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": "u"}
    spec = {"resource": resource, "replicas": 4, "replicaRequirements": {"resourceRequest": {"cpu": "500m"}}}
    assert demand_of_binding(spec) == demand_of(template(4, cpu="500m", uid="u"), NEW)


# -- versions --


def test_where_the_version_is_not_known_only_what_all_do_is_certain():
    placement = {"replicaScheduling": weights(a=5, b=3, c=1)}
    assert shares(ABC, placement, template(9), scheduler=None) == {"a": 5, "b": 3, "c": 1}
    found = answer(ABC, placement, template(7), scheduler=None)
    assert (found.why, found.total) == (Why.VERSION, 7)
    assert dict(found.candidates) == {"a": (4, 4), "b": (2, 3), "c": (0, 1)}


def test_where_versions_take_a_cluster_by_different_groups_no_group_is_named():
    """It named the group of the newest: since 1.18 one zone of a cluster is enough, before, all had to be listed."""
    zoned = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}}
    placement = {"clusterAffinities": [{"affinityName": "zone", **zoned}, {"affinityName": "any"}]}
    clusters = [ClusterFacts("a", zones=("z1", "z2"))]
    assert [answer(clusters, placement, scheduler=one).group for one in (NEW, OLD)] == ["zone", "any"]
    found = answer(clusters, placement, scheduler=None)
    assert (found.shares, found.group) == ({"a": 4}, "")


def test_workload_affinity_is_karmadas_choice():
    found = answer(AB, {"workloadAffinity": {"affinity": {"groupByLabelKey": "app"}}})
    assert found.why is Why.AFFINITY_OF_WORKLOADS
