"""Karmada's scheduling of kinds with and without replicas, and differences between versions."""

import pytest

from flotilla.karmada.scheduling import (
    ClusterFacts,
    Scheduler,
    Why,
    allows,
    decide,
    demand_of,
    demand_of_binding,
)
from flotilla.karmada.versions import Version
from tests.unit.schedules import (
    AB,
    ABC,
    CONFIG,
    DIVIDED,
    NEW,
    OLD,
    answer,
    shares,
    template,
    weights,
)

# -- kinds and replicas --


def test_kinds_without_replicas_are_duplicated():
    assert shares(AB, {"replicaScheduling": weights(a=1)}, CONFIG) == {"a": None, "b": None}


def test_zero_replicas_run_nowhere_if_pods_have_requests():
    placement = {"replicaScheduling": DIVIDED}
    assert shares(AB, placement, template(0)) == {"a": 0, "b": 0}
    assert shares(AB, placement, template(0, cpu="1")) == {}
    assert shares(AB, placement, template(0, cpu="1"), scheduler=Scheduler(Version(1, 15))) == {"a": 0, "b": 0}
    assert shares(AB, placement, template(0, cpu="1"), scheduler=Scheduler(empty_propagation=True)) == {"a": 0, "b": 0}


@pytest.mark.parametrize(("parallelism", "completions", "expected"), [(6, 4, 4), (2, 4, 2), (3, None, 3)])
def test_job_runs_no_more_pods_than_its_completions(parallelism, completions, expected):
    spec = {} if completions is None else {"completions": completions}
    job = template(parallelism, kind="Job", api_version="batch/v1", **spec)
    assert demand_of(job, NEW).replicas == expected


def test_kinds_are_distinguished_by_their_group():
    """OpenKruise's CloneSet is divided like a Deployment; Volcano's Job is not the Job of batch/v1."""
    clones = template(4, kind="CloneSet", api_version="apps.kruise.io/v1alpha1")
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, clones) == {"a": 3, "b": 1}
    volcano = template(4, kind="Job", api_version="batch.volcano.sh/v1alpha1")
    assert shares(AB, {"replicaScheduling": weights(a=3, b=1)}, volcano) == {"a": None, "b": None}


def test_replica_sets_have_replicas_since_1_16():
    one = template(4, kind="ReplicaSet")
    assert demand_of(one, NEW).replicas == 4
    assert demand_of(one, OLD).replicas is None


def test_kind_with_its_own_interpreter_is_karmadas_choice():
    widget = template(4, kind="Widget", api_version="toys.example.org/v1")
    assert shares(AB, {"replicaScheduling": DIVIDED}, widget) == {"a": None, "b": None}
    asked = demand_of(widget, NEW, interpreted=[("toys.example.org", "Widget")])
    found = decide(AB, {"replicaScheduling": DIVIDED}, asked, scheduler=NEW)
    assert (found.why, set(found.candidates)) == (Why.INTERPRETER, {"a", "b"})
    assert allows(found, {"a": 3, "b": 1})


def test_requests_of_a_pod_are_summed_as_by_karmada():
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


def test_node_selectors_of_pods_count_as_requests():
    one = {**template(), "spec": {"replicas": 1, "template": {"spec": {"nodeSelector": {"disk": "ssd"}}}}}
    assert demand_of(one, NEW).requests == {}
    assert demand_of(template(), NEW).requests is None


@pytest.mark.parametrize("pod", ["text", {"containers": "text"}, {"containers": ["text"]}, {"overhead": "text"}])
def test_malformed_template_has_no_requests(pod):
    """The API server reports what is wrong with it; a plan must not end in a traceback."""
    one = {**template(), "spec": {"replicas": 1, "template": {"spec": pod}}}
    assert demand_of(one, NEW).requests is None


def test_invalid_quantity_is_one_line():
    with pytest.raises(ValueError, match="Deployment web: 'lots' isn't a quantity of cpu"):
        demand_of(template(cpu="lots"), NEW)


def test_binding_has_the_requests_of_its_template():
    resource = {"apiVersion": "apps/v1", "kind": "Deployment", "uid": "u"}
    spec = {"resource": resource, "replicas": 4, "replicaRequirements": {"resourceRequest": {"cpu": "500m"}}}
    assert demand_of_binding(spec) == demand_of(template(4, cpu="500m", uid="u"), NEW)


# -- versions --


def test_unknown_version_leaves_certain_only_what_all_versions_do():
    placement = {"replicaScheduling": weights(a=5, b=3, c=1)}
    assert shares(ABC, placement, template(9), scheduler=None) == {"a": 5, "b": 3, "c": 1}
    found = answer(ABC, placement, template(7), scheduler=None)
    assert (found.why, found.total) == (Why.VERSION, 7)
    assert dict(found.candidates) == {"a": (4, 4), "b": (2, 3), "c": (0, 1)}


def test_no_group_is_named_if_versions_choose_a_cluster_by_different_groups():
    """Since 1.18 one zone of a cluster is enough; before, all had to be listed.

    Regression: the newest version's group was named.
    """
    zoned = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z1"]}]}}
    placement = {"clusterAffinities": [{"affinityName": "zone", **zoned}, {"affinityName": "any"}]}
    clusters = [ClusterFacts("a", zones=("z1", "z2"))]
    assert [answer(clusters, placement, scheduler=one).group for one in (NEW, OLD)] == ["zone", "any"]
    found = answer(clusters, placement, scheduler=None)
    assert (found.shares, found.group) == ({"a": 4}, "")


def test_workload_affinity_is_karmadas_choice():
    found = answer(AB, {"workloadAffinity": {"affinity": {"groupByLabelKey": "app"}}})
    assert found.why is Why.AFFINITY_OF_WORKLOADS
