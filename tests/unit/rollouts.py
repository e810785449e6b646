"""A workload, its members and its placement for the tests of rollouts."""

from flotilla.karmada.propagation import deployment
from flotilla.kube.objects import ObjectRef

WEB = ObjectRef("apps/v1", "Deployment", "web", "default")


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
