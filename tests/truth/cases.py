"""Random fleets, placements and templates: pure functions, with the same result for the same seed."""

from __future__ import annotations

import copy
import random
from typing import Any

Object = dict[str, Any]

CLUSTERS = 12
PROVIDERS, REGIONS = ("aws", "azure", "own"), ("eu", "us", "asia")
LABELS = {"env": ("dev", "prod"), "tier": ("a", "b", "c"), "gpu": ("yes",)}
KINDS = {
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "v1": ("ConfigMap", "Service"),
    "policy/v1": ("PodDisruptionBudget",),
}


def fleet(rnd: random.Random, names: list[str], *, models: bool) -> list[Object]:
    """Return Clusters with any labels, fields, taints, conditions, kinds and capacity."""
    return [cluster(rnd, name, models=models) for name in names]


def cluster(rnd: random.Random, name: str, *, models: bool) -> Object:
    """Return a Cluster in pull mode, with the status to write."""
    region = rnd.choice(REGIONS)
    labels = {key: rnd.choice(values) for key, values in LABELS.items() if key != "gpu" or rnd.random() < 0.3}
    taints = []
    if rnd.random() < 0.2:
        effect = rnd.choice(("NoSchedule", "NoExecute"))
        key = rnd.choice(("dedicated", "edge"))
        taints.append({"key": key, "value": rnd.choice(("x", "y")), "effect": effect})
    if rnd.random() < 0.1:
        taints.append({"key": "cluster.karmada.io/unschedulable", "effect": "NoSchedule"})
    spec = {
        "provider": rnd.choice(PROVIDERS) if rnd.random() < 0.9 else "",
        "region": region if rnd.random() < 0.92 else "",
        "zones": sorted(rnd.sample([f"{region}-{z}" for z in "abc"], rnd.randint(1, 2))) if rnd.random() < 0.9 else [],
        "taints": taints,
    }
    return {"metadata": {"name": name, "labels": labels}, "spec": spec, "status": status(rnd, models=models)}


def status(rnd: random.Random, *, models: bool) -> Object:
    """Return a Cluster's status: conditions, kinds and capacity."""
    missing = set()
    if rnd.random() < 0.12:
        missing = set(rnd.sample(sorted(KINDS), rnd.randint(1, 3)))
    served = [
        {"groupVersion": version, "resources": [{"kind": kind, "name": kind.lower() + "s"} for kind in kinds]}
        for version, kinds in KINDS.items()
        if version not in missing
    ]
    cpu = rnd.choice((1, 2, 4, 8, 16, 32))
    used = rnd.randint(0, cpu * 2 // 3)
    pods = rnd.choice((11, 20, 110, 330))
    summary: Object = {
        "allocatable": {"cpu": str(cpu), "memory": "64Gi", "pods": str(pods)},
        "allocated": {"cpu": str(used), "memory": rnd.choice(("1Gi", "60Gi")), "pods": "10"},
    }
    if rnd.random() < 0.2:
        summary["allocating"] = {"cpu": "300m", "pods": "2"}
    if models:
        summary["allocatableModelings"] = [
            {"grade": grade, "count": rnd.choice((0, 0, 1, 2)) if grade < 6 else 0} for grade in range(9)
        ]
    complete, ready = rnd.random() > 0.08, rnd.random() > 0.05
    conditions = {"Ready": ready, "CompleteAPIEnablements": complete}
    result: Object = {"conditions": conditions, "apiEnablements": served}
    return {**result, "resourceSummary": summary} if rnd.random() > 0.04 else result


def changes(rnd: random.Random, clusters: list[Object]) -> dict[str, Object]:
    """Return changes of Clusters between two decisions, by name: labels, and taints that evict nothing."""
    result: dict[str, Object] = {}
    for one in rnd.sample(clusters, 3):
        name = str(one["metadata"]["name"])
        if rnd.random() < 0.6:
            added = {"key": "later", "value": "x", "effect": "NoSchedule"}
            result[name] = {"spec": {"taints": [*one["spec"]["taints"], added]}}
        else:
            result[name] = {"metadata": {"labels": {"env": rnd.choice(LABELS["env"])}}}
    return result


def case(rnd: random.Random, name: str, names: list[str]) -> Object:
    """Return a template with its placement, and later changes of either (`then`)."""
    made = template(rnd, name)
    placed = placement(rnd, names)
    then: list[Object] = []
    for _ in range(rnd.choice((0, 0, 1, 1, 2))):
        # One change at a time, because two changes would be two updates of the binding with a decision between them.
        step: Object = {}
        if rnd.random() < 0.6 and made["kind"] in ("Deployment", "StatefulSet", "Job"):
            step["replicas"] = rnd.choice((0, 1, 2, 3, 4, 6, 8, 11, 15, 24))
        else:
            # Tolerations stay, because a removed one causes an eviction, which is not a part of scheduling.
            step["placement"] = placement(rnd, names)
            step["placement"].pop("clusterTolerations", None)
            if "clusterTolerations" in placed:
                step["placement"]["clusterTolerations"] = placed["clusterTolerations"]
        then.append(step)
    return {"name": name, "template": made, "placement": placed, "then": then}


def template(rnd: random.Random, name: str) -> Object:
    """Return an object, mostly of a kind with replicas."""
    requests = rnd.choice(({}, {"cpu": "100m"}, {"cpu": "500m"}, {"cpu": "1"}, {"cpu": "250m", "memory": "512Mi"}))
    resources = {"requests": requests} if requests else {}
    if requests and rnd.random() < 0.2:
        resources = {"limits": requests}
    pod = {"containers": [{"name": "c", "image": "nginx", "resources": resources}]}
    if rnd.random() < 0.1:
        pod["initContainers"] = [{"name": "i", "image": "nginx", "resources": {"requests": {"cpu": "2"}}}]
    if rnd.random() < 0.05:
        pod["nodeSelector"] = {"disk": "ssd"}
    replicas = rnd.choice((0, 1, 2, 3, 4, 5, 7, 10, 12, 20))
    meta = {"name": name, "namespace": "default"}
    labels = {"app": name}
    pods = {"metadata": {"labels": labels}, "spec": pod}
    kind = rnd.random()
    if kind < 0.62:
        spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pods}
        return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    if kind < 0.74:
        spec = {"replicas": replicas, "serviceName": name, "selector": {"matchLabels": labels}, "template": pods}
        return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec}
    if kind < 0.84:
        spec = {"parallelism": replicas, "template": {**pods, "spec": {**pod, "restartPolicy": "Never"}}}
        if rnd.random() < 0.5:
            spec["completions"] = rnd.randint(1, 12)
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}
    if kind < 0.94:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}}
    spec = {"minAvailable": 1, "selector": {"matchLabels": labels}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}


def scaled(obj: Object, replicas: int) -> Object:
    """Return the template with other replicas, if its kind has replicas."""
    result = copy.deepcopy(obj)
    if obj["kind"] in ("Deployment", "StatefulSet"):
        result["spec"]["replicas"] = replicas
    elif obj["kind"] == "Job":
        result["spec"]["parallelism"] = replicas
    return result


def placement(rnd: random.Random, names: list[str]) -> Object:
    """Return a Placement for a policy; Karmada's webhook refuses some of them."""
    result: Object = {}
    if rnd.random() < 0.3:
        result["clusterAffinities"] = [group(rnd, names, place) for place in range(rnd.randint(1, 3))]
    elif rnd.random() < 0.8:
        result["clusterAffinity"] = affinity(rnd, names)
    if rnd.random() < 0.4:
        result["clusterTolerations"] = rnd.sample(TOLERATIONS, rnd.randint(1, 2))
    scheduling = replica_scheduling(rnd, names)
    if scheduling:
        result["replicaScheduling"] = scheduling
    if rnd.random() < 0.4:
        result["spreadConstraints"] = spread(rnd)
    return result


TOLERATIONS: list[Object] = [
    {"operator": "Exists"},
    {"key": "dedicated", "operator": "Exists"},
    {"key": "edge", "operator": "Equal", "value": "x", "effect": "NoSchedule"},
    {"key": "dedicated", "value": "y"},
    {"key": "cluster.karmada.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"},
    {"key": "cluster.karmada.io/not-ready", "operator": "Exists"},
]


def group(rnd: random.Random, names: list[str], place: int) -> Object:
    """Return an affinity term, sometimes with overflow affinities."""
    result = {"affinityName": f"g{place}", **affinity(rnd, names)}
    if rnd.random() < 0.3:
        result["overflowAffinities"] = [
            {"affinityName": f"g{place}-{tier}", **affinity(rnd, names)} for tier in range(rnd.randint(1, 2))
        ]
    return result


def affinity(rnd: random.Random, names: list[str]) -> Object:
    """Return a ClusterAffinity."""
    result: Object = {}
    if rnd.random() < 0.4:
        result["clusterNames"] = sorted(rnd.sample(names, rnd.randint(1, len(names))))
    if rnd.random() < 0.2:
        result["exclude"] = sorted(rnd.sample(names, rnd.randint(1, 2)))
    if rnd.random() < 0.4:
        whole = rnd.random() < 0.5
        result["labelSelector"] = (
            {"matchLabels": {"env": rnd.choice(LABELS["env"])}}
            if whole
            else {"matchExpressions": [expression(rnd) for _ in range(rnd.randint(1, 2))]}
        )
    if rnd.random() < 0.3:
        zones = [f"{region}-{z}" for region in REGIONS for z in "abc"]
        key, values = rnd.choice((("provider", PROVIDERS), ("region", REGIONS), ("zone", tuple(zones))))
        wanted = sorted(rnd.sample(values, rnd.randint(1, len(values) - 1)))
        operator = rnd.choice(("In", "NotIn"))
        result["fieldSelector"] = {"matchExpressions": [{"key": key, "operator": operator, "values": wanted}]}
    return result


def expression(rnd: random.Random) -> Object:
    """Return one expression of a label selector."""
    key, operator = rnd.choice(sorted(LABELS)), rnd.choice(("In", "NotIn", "Exists", "DoesNotExist"))
    if operator in ("Exists", "DoesNotExist"):
        return {"key": key, "operator": operator}
    values = LABELS[key]
    return {"key": key, "operator": operator, "values": sorted(rnd.sample(values, rnd.randint(1, len(values))))}


def replica_scheduling(rnd: random.Random, names: list[str]) -> Object:
    """Return how replicas are divided; empty for Karmada's default."""
    kind = rnd.random()
    if kind < 0.1:
        return {}
    if kind < 0.25:
        return {"replicaSchedulingType": "Duplicated"}
    divided = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    if kind < 0.33:
        return divided
    if kind < 0.65:
        weights = [
            {"targetCluster": weighted(rnd, names), "weight": rnd.randint(1, 5)} for _ in range(rnd.randint(1, 4))
        ]
        return {**divided, "weightPreference": {"staticWeightList": weights}}
    if kind < 0.82:
        return {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Aggregated"}
    return {**divided, "weightPreference": {"dynamicWeight": "AvailableReplicas"}}


def weighted(rnd: random.Random, names: list[str]) -> Object:
    """Return the target of a static weight."""
    if rnd.random() < 0.3:
        return {"labelSelector": {"matchLabels": {"tier": rnd.choice(LABELS["tier"])}}}
    return {"clusterNames": sorted(rnd.sample(names, rnd.randint(1, 4)))}


def spread(rnd: random.Random) -> list[Object]:
    """Return spread constraints: by cluster, by region and cluster, sometimes by an unsupported field."""
    least = rnd.randint(1, 4)
    result: list[Object] = [
        {"spreadByField": "cluster", "minGroups": least, "maxGroups": least + rnd.randint(0, 3)},
    ]
    kind = rnd.random()
    if kind < 0.4:
        low = rnd.randint(1, 3)
        result.insert(0, {"spreadByField": "region", "minGroups": low, "maxGroups": low + rnd.randint(0, 2)})
    elif kind < 0.5:
        low = rnd.randint(1, 2)
        field = rnd.choice(("provider", "zone"))
        result.insert(0, {"spreadByField": field, "minGroups": low, "maxGroups": low + 1})
    elif kind < 0.53:
        result = [{"spreadByLabel": "tier", "minGroups": 1, "maxGroups": 2}]
    elif kind < 0.58:
        del result[0]["maxGroups"]  # without it, Karmada chooses no cluster
    return result
