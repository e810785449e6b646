"""Clusters, templates and placements for the tests of scheduling, and helpers that read the results."""

from flotilla.karmada.scheduling import (
    Capacity,
    Certain,
    ClusterFacts,
    Current,
    Scheduler,
    decide,
    demand_of,
)
from flotilla.karmada.versions import Version

NEW, OLD = Scheduler(Version(1, 18)), Scheduler(Version(1, 10))
DIVIDED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
DYNAMIC = {**DIVIDED, "weightPreference": {"dynamicWeight": "AvailableReplicas"}}
AGGREGATED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}
# The hash of the first UID is even, so ties go to the first name; the hash of the second UID is odd.
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
ABC = [ClusterFacts(name) for name in "abc"]
GROUPS = {
    "clusterAffinities": [
        {"affinityName": "own", "clusterNames": ["a"]},
        {"affinityName": "cloud", "clusterNames": ["b"]},
    ]
}


def spread(least, most, field="cluster"):
    return {"spreadByField": field, "minGroups": least, "maxGroups": most}
