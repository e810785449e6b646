"""A stack whose workloads use every key of placement, policy and overrides, for tests of the generated objects."""

from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.stack.evaluation import evaluated
from flotilla.stack.features import features_of
from flotilla.stack.members import Member
from flotilla.stack.workloads import Workload

MEMBERS = (
    {
        "name": "member1",
        "provider": "aws",
        "region": "eu",
        "zones": ["eu-a"],
        "labels": {"tier": "front"},
        "facts": {"size": 5},
    },
    {"name": "member2", "provider": "gcp", "region": "us", "zones": ["us-a", "us-b"], "labels": {"tier": "back"}},
    {"name": "member3", "provider": "gcp", "region": "ap", "zones": ["ap-a"], "labels": {"tier": "back"}},
)
NOT_EU = {"key": "region", "operator": "NotIn", "values": ["eu"]}
FIRST = {"clusters": ["member1"]}
OVERRIDES = [
    {
        "clusters": ["member1"],
        "image": {"registry": "mirror.example", "append": {"tag": "-arm64"}, "remove": ["repository"]},
        "command": ["sh"],
        "removeCommand": ["bash"],
        "args": ["-v"],
        "removeArgs": ["-q"],
        "container": "web",
        "labels": {"site": "one"},
        "replaceLabels": {"owner": "us"},
        "removeLabels": ["example.org/old"],
        "annotations": {"note": "one"},
        "replaceAnnotations": {"kept": "no"},
        "removeAnnotations": ["example.org/gone"],
        "patches": [{"op": "add", "path": "/metadata/annotations/patched", "value": "yes"}],
    },
    {
        "target": {"providers": ["gcp"]},
        "image": {
            "repository": "team/web",
            "tag": "2",
            "append": {"registry": ":5000"},
            "path": "/spec/template/spec/containers/0/image",
        },
    },
    {"target": {"regions": ["eu", "us"], "zones": ["us-b"]}, "image": {"append": {"repository": "-x"}}},
    {"target": {"labels": {"tier": "back"}}, "labels": {"tier": "back"}},
    {"target": {"exclude": ["member1"]}, "labels": {"first": "no"}},
    {"target": {}, "annotations": {"everywhere": "yes"}},
]
FIELDS = [
    {
        "path": "/metadata/annotations/config",
        "format": "yaml",
        "patches": [{"op": "remove", "path": "/debug"}, {"op": "replace", "path": "/level", "value": 2}],
    },
    {"path": "/metadata/annotations/more", "format": "json", "patches": [{"op": "add", "path": "/a", "value": [1]}]},
]
EVALUATED = {
    "target": {"labelExpressions": [{"key": "tier", "operator": "Exists"}]},
    "evaluate": True,
    "image": {"registry": "${member.facts.registry:-registry.example}", "append": {"tag": "-${member.region}"}},
    "labels": {"site": "${member.labels.tier}"},
    "patches": [{"op": "replace", "path": "/spec/replicas", "value": "${member.facts.size:-3}"}],
}
WAVES = {
    "waves": [
        {"clusters": ["member1"], "approve": "after"},
        {"labels": {"tier": "back"}, "maxConcurrent": "50%"},
        {"percent": 100, "approve": ["before", "after"]},
    ],
    "gate": {
        "healthyFor": "60s",
        "maxUnavailable": 1,
        "checks": [
            {"command": ["./smoke.sh", "--fast"], "timeout": "5m"},
            {"prometheus": "https://prometheus.example", "query": "sum(rate(errors[5m])) < 1"},
        ],
    },
    "onFailure": "revert",
}
"""All but a condition: Karmada reports none of a Deployment, which the short form is."""
WORKLOADS = (
    {"name": "named", "placement": {**FIRST, "exclude": ["member2"]}, "autoscaled": True},
    {
        "name": "chosen",
        "placement": {
            "labels": {"tier": "back"},
            "labelExpressions": [
                {"key": "tier", "operator": "In", "values": ["back"]},
                {"key": "tier", "operator": "NotIn", "values": ["front"]},
                {"key": "tier", "operator": "Exists"},
                {"key": "absent", "operator": "DoesNotExist"},
            ],
            "providers": ["gcp"],
            "regions": ["us", "ap"],
            "zones": ["us-a", "ap-a"],
            "fieldExpressions": [NOT_EU],
        },
    },
    {
        "name": "tolerant",
        "placement": {
            "tolerations": [
                {"key": "site", "value": "edge", "effect": "NoSchedule"},
                {"key": "lost", "operator": "Exists", "effect": "NoExecute", "seconds": 60},
            ],
            "spread": [
                {"by": "cluster", "minGroups": 2, "maxGroups": 3},
                {"by": "region"},
                {"by": "zone"},
                {"by": "provider"},
                {"label": "topology.example.org/rack"},
            ],
        },
    },
    {"name": "weighed", "placement": {"replicas": "divided", "weights": {"member1": 2, "member2": 1, "member3": 1}}},
    {
        "name": "ruled",
        "placement": {
            "replicas": "divided",
            "weightRules": [
                {"labels": {"tier": "front"}, "weight": 2},
                {"fieldExpressions": [NOT_EU], "exclude": ["member1"], "weight": 1},
            ],
        },
    },
    {"name": "roomy", "placement": {"replicas": "divided", "dynamicWeight": "AvailableReplicas"}},
    {
        "name": "packed",
        "placement": {
            "replicas": "aggregated",
            "groups": [{"name": "own", **FIRST}, {"name": "rest", "exclude": ["member1"]}],
        },
    },
    {
        "name": "spilling",
        "placement": {
            "replicas": "aggregated",
            "groups": [
                {
                    "name": "own",
                    "labels": {"tier": "front"},
                    "overflow": [
                        {
                            "name": "back",
                            "clusters": ["member2"],
                            "labelExpressions": [{"key": "tier", "operator": "Exists"}],
                        },
                        {"name": "cloud", "exclude": ["member1"]},
                    ],
                }
            ],
        },
    },
    {
        "name": "apart",
        "placement": {**FIRST, "workloadAffinity": {"affinity": "example.org/group", "antiAffinity": "app"}},
    },
    {"name": "lazy", "placement": FIRST, "activation": "Lazy", "conflictResolution": "Overwrite"},
    {"name": "first", "placement": FIRST, "priority": 10, "preemption": "Always", "dependencies": True},
    {"name": "urgent", "placement": FIRST, "schedulePriority": "high"},
    {"name": "halted", "placement": {}, "suspend": True},
    {"name": "halted-there", "placement": {}, "suspend": ["member2"]},
    {"name": "kept", "placement": FIRST, "onRemoval": "keep"},
    {
        "name": "moving",
        "placement": {},
        "failover": {"application": {"seconds": 60, "purgeMode": "Gracefully", "gracePeriod": 120}},
    },
    {"name": "moving-at-once", "placement": {}, "failover": {"application": {"purgeMode": "Directly"}}},
    {"name": "moving-never", "placement": {}, "failover": {"application": {"purgeMode": "Never"}}},
    {
        "name": "stateful",
        "placement": {},
        "failover": {"application": {"purgeMode": "Directly", "state": {"example.org/job": "{.jobID}"}}},
    },
    {
        "name": "fleeing",
        "placement": {},
        "failover": {"cluster": {"purgeMode": "Directly", "state": {"job": "{ .jobID }"}}},
    },
    {
        "name": "awaited",
        "placement": FIRST,
        "ready": {
            "Deployment": "applied",
            "Deployment.apps": "healthy",
            "Deployment/awaited": {"jsonPath": "{.status.readyReplicas}", "value": 1},
        },
    },
    {"name": "in-waves", "placement": {}, "rollout": WAVES},
    {"name": "at-once", "placement": {}, "rollout": False},
    {"name": "overridden", "placement": {}, "overrides": OVERRIDES},
    {
        "name": "aimed",
        "placement": {},
        "overrides": [
            {
                **FIRST,
                "objects": [{"kind": "Deployment", "name": "aimed", "namespace": "default"}],
                "labels": {"site": "one"},
            }
        ],
    },
    {"name": "fields", "placement": {}, "overrides": [{**FIRST, "fields": FIELDS}]},
    {"name": "evaluated", "placement": {}, "overrides": [EVALUATED]},
)


def declared(raw):
    """Return the model of a workload in a stack with these members, with evaluated overrides."""
    members = [Member.model_validate({"kubeconfig": {"path": "kube.yaml"}, **member}) for member in MEMBERS]
    workload, problems = evaluated("workload", Workload.model_validate({"image": "web:1", **raw}), members)
    assert problems == []
    return workload


def workloads_for(version):
    """Return the workloads whose keys a version of Karmada supports, each with an image."""
    whole = [{"image": "web:1", **workload} for workload in WORKLOADS]
    wanted = Version.parse(version)
    return [
        one for one in whole if all(feature.since <= wanted for feature in features_of(Workload.model_validate(one)))
    ]


NEWEST = str(SUPPORTED.newest)
