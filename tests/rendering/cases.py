"""Random templates of every kind, with policies: pure functions, with the same result for the same seed."""

from __future__ import annotations

import random

from flotilla.karmada.objects import POLICY_API
from tests.rendering.overrides import override_policy
from tests.rendering.values import BROKEN, IMAGES, JSON_TEXT, NATIVE_PODS, YAML_TEXT, Object

CUSTOM = {
    "CloneSet": ("apps.kruise.io/v1alpha1", "clonesets", True),
    "UnitedDeployment": ("apps.kruise.io/v1alpha1", "uniteddeployments", True),
    "BroadcastJob": ("apps.kruise.io/v1alpha1", "broadcastjobs", True),
    "AdvancedStatefulSet": ("apps.kruise.io/v1beta1", "statefulsets", True),
    "Workflow": ("argoproj.io/v1alpha1", "workflows", True),
    "VolcanoJob": ("batch.volcano.sh/v1alpha1", "jobs", True),
    "Widget": ("toys.example.org/v1", "widgets", True),
    "Landscape": ("toys.example.org/v1", "landscapes", False),
}
"""Custom kinds by a unique name: apiVersion, plural, whether they are namespaced."""
SERVED = {"AdvancedStatefulSet": "StatefulSet", "VolcanoJob": "Job"}
OTHERS = ("ConfigMap", "ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "ClusterRole")
KINDS = (*NATIVE_PODS, *NATIVE_PODS, *CUSTOM, *OTHERS, "ConfigMap", "ConfigMap", "ConfigMap", "Job", "Job")
API = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    "ClusterRole": "rbac.authorization.k8s.io/v1",
}


def definitions() -> list[Object]:
    """Return the CustomResourceDefinitions of the custom kinds, whose schemas allow any fields."""
    found = []
    for name, (api, plural, namespaced) in CUSTOM.items():
        group, version = api.split("/")
        kind = SERVED.get(name, name)
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": kind + "List"}
        scope = "Namespaced" if namespaced else "Cluster"
        versions = [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]
        annotations = {"api-approved.kubernetes.io": "unapproved, for a test"}
        found.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}", "annotations": annotations},
                "spec": {"group": group, "scope": scope, "names": names, "versions": versions},
            }
        )
    return found


def served() -> list[Object]:
    """Return all kinds of the cases, in the form of a Cluster's `apiEnablements`."""
    kinds = [(API.get(kind, "v1"), kind) for kind in (*NATIVE_PODS, *OTHERS)]
    kinds += [(api, SERVED.get(name, name)) for name, (api, _, _) in CUSTOM.items()]
    return [
        {
            "groupVersion": version,
            "resources": [{"kind": k, "name": k.lower() + "s"} for v, k in dict.fromkeys(kinds) if v == version],
        }
        for version in dict.fromkeys(version for version, _ in kinds)
    ]


def clusters(rnd: random.Random, names: list[str]) -> list[Object]:
    """Return Clusters in pull mode, with labels and fields that overrides may select."""
    found = []
    for name in names:
        region = rnd.choice(("eu", "us"))
        spec = {
            "provider": rnd.choice(("aws", "own", "")),
            "region": region,
            "zones": sorted(rnd.sample([f"{region}-a", f"{region}-b", f"{region}-c"], rnd.randint(1, 2))),
        }
        labels = {"env": rnd.choice(("dev", "prod")), **({"gpu": "yes"} if rnd.random() < 0.5 else {})}
        found.append({"metadata": {"name": name, "labels": labels}, "spec": spec})
    return found


def case(rnd: random.Random, number: int, names: list[str]) -> Object:
    """Return one case: a template, its propagation policy, and override policies that may select it."""
    name, namespace = f"w{number}", f"n{number}"
    obj = template(rnd, name, namespace)
    scoped = not obj["metadata"].get("namespace")
    policies = [
        override_policy(rnd, obj, names, f"{rnd.choice('abcxyz')}-{number}-{i}") for i in range(rnd.randint(1, 3))
    ]
    return {
        "number": number,
        "template": obj,
        "policy": propagation(rnd, obj, names, cluster_wide=scoped or rnd.random() < 0.1),
        "overrides": policies,
    }


def propagation(rnd: random.Random, obj: Object, names: list[str], *, cluster_wide: bool) -> Object:
    """Return the policy that sends a template to clusters."""
    meta = obj["metadata"]
    selector = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"]}
    if meta.get("namespace"):
        selector["namespace"] = meta["namespace"]
    placement: Object = {}
    if rnd.random() < 0.4:
        placement["clusterAffinity"] = {"clusterNames": sorted(rnd.sample(names, rnd.randint(1, len(names))))}
    if rnd.random() < 0.5:
        weights = [
            {"targetCluster": {"clusterNames": [name]}, "weight": rnd.randint(1, 5)}
            for name in rnd.sample(names, rnd.randint(1, len(names)))
        ]
        placement["replicaScheduling"] = {
            "replicaSchedulingType": "Divided",
            "replicaDivisionPreference": "Weighted",
            "weightPreference": {"staticWeightList": weights},
        }
    kind = "ClusterPropagationPolicy" if cluster_wide else "PropagationPolicy"
    spec = {"resourceSelectors": [selector], "placement": placement}
    if rnd.random() < 0.3:
        spec["conflictResolution"] = "Overwrite"
    metadata = {"name": f"p-{meta['name']}", **({} if cluster_wide else {"namespace": meta["namespace"]})}
    return {"apiVersion": POLICY_API, "kind": kind, "metadata": metadata, "spec": spec}


# -- templates ------------------------------------------------------------------------------------


def template(rnd: random.Random, name: str, namespace: str) -> Object:
    """Return an object of any kind."""
    kind = rnd.choice(KINDS)
    metadata: Object = {"name": name}
    if rnd.random() < 0.6:
        metadata["labels"] = {"app": name, **({"example.org/team": "red"} if rnd.random() < 0.5 else {})}
    if rnd.random() < 0.5:
        metadata["annotations"] = {"note": "text", "example.org/a": "1"}
    if kind in CUSTOM:
        api, _, namespaced = CUSTOM[kind]
        return _object(api, SERVED.get(kind, kind), metadata, namespace if namespaced else "", _custom(rnd, kind, name))
    namespace = "" if kind == "ClusterRole" else namespace
    body = _pods(rnd, kind, name, metadata) if kind in NATIVE_PODS else _other(rnd, kind, name, metadata)
    return _object(API.get(kind, "v1"), kind, metadata, namespace, body)


def _object(api: str, kind: str, metadata: Object, namespace: str, body: Object) -> Object:
    metadata = {**metadata, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}


def pod(rnd: random.Random, restart: str = "") -> Object:
    """Return a pod's spec."""
    containers = [_container(rnd, f"c{i}") for i in range(rnd.randint(1, 2))]
    spec: Object = {"containers": containers}
    if rnd.random() < 0.3:
        spec["initContainers"] = [_container(rnd, "init")]
    if restart:
        spec["restartPolicy"] = restart
    if rnd.random() < 0.3:
        spec["nodeSelector"] = {"disk": "ssd"}
    return spec


def _container(rnd: random.Random, name: str) -> Object:
    found: Object = {"name": name, "image": rnd.choice(IMAGES)}
    for key in ("command", "args"):
        if rnd.random() < 0.4:
            found[key] = rnd.sample(["run", "--fast", "--port=1", "-v", "-v"], rnd.randint(1, 3))
    if rnd.random() < 0.4:
        found["env"] = [{"name": "LEVEL", "value": "info"}]
    if rnd.random() < 0.3:
        found["ports"] = [{"containerPort": 80}]
    if rnd.random() < 0.3:
        found["resources"] = {"requests": {"cpu": "100m"}}
    return found


def _pods(rnd: random.Random, kind: str, name: str, metadata: Object) -> Object:
    labels = {"app": name}
    if kind == "Pod":
        return {"spec": pod(rnd)}
    again = rnd.choice(("Never", "OnFailure")) if kind in ("Job", "CronJob") else ""
    spec: Object = {"template": {"metadata": {"labels": labels}, "spec": pod(rnd, again)}}
    if kind in ("Job", "CronJob"):
        for key, values in (
            ("parallelism", (1, 2, 4, 5)),
            ("completions", (1, 3, 7, 12)),
            ("ttlSecondsAfterFinished", (60,)),
        ):
            if rnd.random() < 0.6:
                spec[key] = rnd.choice(values)
        if kind == "Job" and rnd.random() < 0.2:
            spec |= {"manualSelector": True, "selector": {"matchLabels": labels}}
        return {"spec": spec} if kind == "Job" else {"spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": spec}}}
    spec["selector"] = {"matchLabels": labels}
    if kind != "DaemonSet" and rnd.random() < 0.8:
        spec["replicas"] = rnd.choice((0, 1, 2, 3, 5, 8))
    if kind == "StatefulSet":
        spec["serviceName"] = name
    if kind == "Deployment" and rnd.random() < 0.3:
        metadata.setdefault("annotations", {})["deployment.kubernetes.io/revision"] = "3"
    return {"spec": spec}


def _custom(rnd: random.Random, kind: str, name: str) -> Object:
    labels = {"app": name}
    inner = {"metadata": {"labels": labels}, "spec": pod(rnd)}
    replicas = rnd.choice((1, 2, 4, 5))
    if kind in ("CloneSet", "AdvancedStatefulSet"):
        return {"spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": inner}}
    if kind == "UnitedDeployment":
        one = {"statefulSetTemplate": {"spec": {"template": inner}}}
        return {"spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": one}}
    if kind == "BroadcastJob":
        return {"spec": {"parallelism": replicas, "template": inner}}
    if kind == "Workflow":
        one = {"name": "main", "container": _container(rnd, "main")}
        return {"spec": {"entrypoint": "main", "parallelism": replicas, "templates": [one]}}
    if kind == "VolcanoJob":
        return {"spec": {"minAvailable": 1, "tasks": [{"name": "t", "replicas": replicas, "template": inner}]}}
    return {"spec": {"size": replicas, "image": rnd.choice(IMAGES), "ratio": 1.5, "nothing": None, "list": [1, "two"]}}


def _other(rnd: random.Random, kind: str, name: str, metadata: Object) -> Object:
    match kind:
        case "ConfigMap":
            texts = [rnd.choice(of[:-1]) if rnd.random() > BROKEN else of[-1] for of in (JSON_TEXT, YAML_TEXT)]
            return {"data": {"a.json": texts[0], "b.yaml": texts[1], "plain": "text"}}
        case "Secret" if rnd.random() < 0.3:
            metadata.setdefault("annotations", {})["kubernetes.io/service-account.name"] = "someone"
            return {"type": "kubernetes.io/service-account-token"}
        case "Secret":
            return {"type": "Opaque", "stringData": {"password": "x"}}
        case "Service":
            spec: Object = {"selector": {"app": name}, "ports": [{"port": 80}]}
            shape = rnd.choice(("ClusterIP", "Headless", "NodePort", "LoadBalancer", "ExternalName"))
            if shape == "ExternalName":
                return {"spec": {"type": shape, "externalName": "example.org"}}
            return {"spec": spec | ({"clusterIP": "None"} if shape == "Headless" else {"type": shape})}
        case "ServiceAccount":
            secrets = [{"name": f"{name}-token-{i}"} for i in "abc"] + [{"name": "own"}]
            return {"secrets": rnd.sample(secrets, rnd.randint(1, 4))} if rnd.random() < 0.7 else {}
        case "PersistentVolumeClaim":
            if rnd.random() < 0.5:
                metadata.setdefault("annotations", {})["volume.kubernetes.io/selected-node"] = "node-1"
            return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    return {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
