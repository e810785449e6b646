"""A workload with its members, placements and bindings, for the tests of rollouts."""

from components.rollout import RolloutProvider
from flotilla.karmada.propagation import deployment
from flotilla.kube.objects import ObjectRef
from flotilla.plan.rollouts import rollouts_of
from flotilla.state.checkpoint import ResourceState, Snapshot

WEB = ObjectRef("apps/v1", "Deployment", "web", "default")
TAINT = {"key": "site", "value": "edge", "effect": "NoSchedule"}
CORDON = {"key": "cluster.karmada.io/unschedulable", "effect": "NoSchedule"}
NOT_READY = {"key": "cluster.karmada.io/not-ready", "effect": "NoSchedule"}


def web(replicas=4, requests=None):
    resources = {"requests": requests} if requests else None
    return deployment(
        "web",
        namespace="default",
        image="nginx:1.27",
        replicas=replicas,
        ports=[],
        env={},
        resources=resources,
        labels={},
    )


def members(*names, **unanswered):
    return {name: {"id": f"uid-{name}", "unanswered": unanswered.get(name, "")} for name in names}


def on(*names):
    return {
        "clusterAffinity": {"clusterNames": list(names)},
        "replicaScheduling": {"replicaSchedulingType": "Duplicated"},
    }


def cluster(name, *, taints=(), ready=True, labels=None, deleting=False):
    status = {"type": "Ready", "status": "True" if ready else "False", "message": "" if ready else "it is gone"}
    metadata = {"name": name, "labels": labels or {}}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "spec": {"taints": list(taints)}, "status": {"conditions": [status]}}


def divided(*names, **weights):
    scheduling = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    if weights:
        listed = [{"targetCluster": {"clusterNames": [n]}, "weight": w} for n, w in weights.items()]
        scheduling["weightPreference"] = {"staticWeightList": listed}
    return {"clusterAffinity": {"clusterNames": list(names)}, "replicaScheduling": scheduling}


def binding(targets, placement, *, replicas=4, healthy=None, scheduled="True", **status):
    listed = [{"name": n} | ({} if c is None else {"replicas": c}) for n, c in targets.items()]
    reports = [
        {"clusterName": name, "applied": True, "health": "Healthy", "status": {"readyReplicas": targets.get(name)}}
        for name in (targets if healthy is None else healthy)
    ]
    condition = {"type": "Scheduled", "status": scheduled, "message": "0/2 clusters are available"}
    return {
        "metadata": {"name": "web-deployment", "generation": 1},
        "spec": {
            "resource": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "u"},
            "clusters": listed,
            "replicas": replicas,
            "placement": placement,
        },
        "status": {"conditions": [condition], "aggregatedStatus": reports, **status},
    }


def props(**more):
    declared = {"templates": [web()], "placement": on("member1"), "overrideRules": []}
    return {"kubeconfig": "k", "workload": "web", "timeout": 30, **declared, **more}


def changes(olds, news):
    return RolloutProvider().diff("web", olds, news).changes


def check_in_state(workload, *objects):
    """Return what a state says about how this workload is checked; the state has these objects and policies."""
    component = "flotilla:index:PropagatedWorkload"
    resources = [
        ResourceState(
            urn=f"urn:pulumi:dev::p::{component}$kubernetes:x:{obj['kind']}::{number}",
            custom=True,
            type=f"kubernetes:x:{obj['kind']}",
            id=str(number),
            inputs=obj,
            parent=f"urn:pulumi:dev::p::{component}::{workload}",
        )
        for number, obj in enumerate(objects)
    ]
    return rollouts_of(Snapshot(resources=resources)).checks[workload]
