"""A control plane made of plain objects. It answers reads as an API server does, and counts them."""

import copy
import re
from collections import Counter

from flotilla.karmada.names import binding_name, execution_namespace
from flotilla.karmada.objects import BINDING_API, CLUSTER_API, WORK_API
from flotilla.karmada.propagation import deployment
from flotilla.karmada.status.reading import read_for
from flotilla.kube.objects import ref_of

BINDING_ID = "resourcebinding.karmada.io/permanent-id"
POLICY_ID = "propagationpolicy.karmada.io/permanent-id"
EVERYWHERE = {"clusterAffinity": {}, "replicaScheduling": {"replicaSchedulingType": "Duplicated"}}


def check_once(check, connection):
    """Return the result of a rollout's check after one read of the control plane."""
    return check.progress(read_for(connection, check.objects))


class Plane:
    """Holds objects. `failing` maps references to errors; a read of such an object raises its error."""

    name = "karmada"

    def __init__(self, *objects):
        self.objects = {ref_of(obj): obj for obj in objects}
        self.failing = {}
        self.asked = Counter()

    def find(self, ref):
        self.asked["find", ref.kind] += 1
        if ref in self.failing:
            raise self.failing[ref]
        return copy.deepcopy(self.objects.get(ref))

    def list(self, api_version, kind, *, namespace=None, labels=None, fields=None):
        self.asked["list", kind] += 1
        return [
            copy.deepcopy(obj)
            for ref, obj in self.objects.items()
            if (ref.api_version, ref.kind) == (api_version, kind)
            and namespace in (None, ref.namespace)
            and selected(obj["metadata"].get("labels") or {}, labels or "")
        ]

    @property
    def requests(self):
        return sum(self.asked.values())


def selected(labels, selector):
    """Return whether labels match a selector: `a`, `!a`, `a=b` and `a in (b,c)`."""
    for part in re.findall(r"[^,(]+(?:\([^)]*\))?", selector):
        if " in " in part:
            key, _, values = part.partition(" in ")
            ok = labels.get(key) in values.strip("()").split(",")
        elif "=" in part:
            key, _, value = part.partition("=")
            ok = labels.get(key) == value
        else:
            ok = (part.lstrip("!") in labels) is not part.startswith("!")
        if not ok:
            return False
    return True


def web(name="web", replicas=2):
    return deployment(
        name, namespace="default", image="nginx:1.27", replicas=replicas, ports=[], env={}, resources=None, labels={}
    )


def cluster(name, *, ready=True):
    status = {"conditions": [{"type": "Ready", "status": str(ready), "message": "" if ready else "it is gone"}]}
    body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": {"name": name}}
    return {**body, "spec": {"syncMode": "Push"}, "status": status}


def live(declared, *, claimed=True):
    """Return a template as it is stored once Karmada has processed it."""
    meta = declared["metadata"]
    labels = {**(meta.get("labels") or {}), **({POLICY_ID: "policy"} if claimed else {})}
    return {**declared, "metadata": {**meta, "uid": f"uid-{meta['name']}", "generation": 1, "labels": labels}}


def binding(declared, clusters, *, placement=EVERYWHERE, healthy=None, **status):
    """Return the binding of a template that is scheduled to clusters; all or some of them report it healthy."""
    meta, replicas = declared["metadata"], (declared.get("spec") or {}).get("replicas")
    share = {} if replicas is None else {"replicas": replicas}
    reports = [
        {"clusterName": name, "applied": True, "health": "Healthy", "status": {"readyReplicas": replicas or 0}}
        for name in (clusters if healthy is None else healthy)
    ]
    resource = {"apiVersion": declared["apiVersion"], "kind": declared["kind"], "name": meta["name"]}
    return {
        "apiVersion": BINDING_API,
        "kind": "ResourceBinding",
        "metadata": {
            "name": binding_name(declared["kind"], meta["name"]),
            "namespace": meta["namespace"],
            "generation": 1,
            "labels": {BINDING_ID: f"id-{meta['name']}", POLICY_ID: "policy"},
        },
        "spec": {
            "resource": {**resource, "namespace": meta["namespace"], "uid": f"uid-{meta['name']}"},
            "clusters": [{"name": name, **share} for name in clusters],
            "placement": placement,
        },
        "status": {"conditions": [{"type": "Scheduled", "status": "True"}], "aggregatedStatus": reports, **status},
    }


def work(manifest, member, *, identity="", applied="True", message="", **spec):
    """Return a Work that carries an object to a member."""
    conditions = [{"type": "Applied", "status": applied, "message": message}] if applied else []
    return {
        "apiVersion": WORK_API,
        "kind": "Work",
        "metadata": {
            "name": f"{manifest['metadata']['name']}-1",
            "namespace": execution_namespace(member),
            "labels": {BINDING_ID: identity} if identity else {},
        },
        "spec": {"workload": {"manifests": [manifest]}, **spec},
        "status": {"conditions": conditions},
    }


def done(templates, members):
    """Return all objects of the control plane once the templates run on the members."""
    names = [f"m{number}" for number in range(members)]
    declared = [web(f"web-{number}") for number in range(templates)]
    return declared, [
        *(cluster(name) for name in names),
        *(live(one) for one in declared),
        *(binding(one, names) for one in declared),
        *(work(one, name, identity=f"id-{one['metadata']['name']}") for one in declared for name in names),
    ]


class Answers:
    """A control plane with objects by kind."""

    def __init__(self, *objects):
        self.objects = objects

    def find(self, ref):
        return next((o for o in self.objects if (o["kind"], o["metadata"]["name"]) == (ref.kind, ref.name)), None)

    def list(self, _api_version, kind, *, namespace=None, labels=None):
        return [
            o for o in self.objects if o["kind"] == kind and (not namespace or o["metadata"]["namespace"] == namespace)
        ]
