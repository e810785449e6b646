"""Random templates and override policies of every kind: pure, and the same for a seed."""

from __future__ import annotations

import json
import random
from typing import Any

from flotilla.karmada.objects import POLICY_API

Object = dict[str, Any]

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
IMAGES = (
    "nginx",
    "nginx:1.27",
    "team/app:v1",
    "localhost/app",
    "registry.example/team/app:v1",
    "registry.example:5000/team/app",
    f"registry.example/team/app@{A}",
    f"registry.example/team/app:v1@{A}",
    f"app:v1@{A}",
    "Upper.example/app:v1",
)
VALUES = {
    "Registry": ("mirror.example", "localhost:5000", "mirror.example/proxy", "", "-x"),
    "Repository": ("other/app", "app", "", "-x", "/sub"),
    "Tag": ("v2", B, f"v2@{B}", "-debug", "not a tag", ""),
}
NATIVE_PODS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
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
"""Custom kinds by a name of the tests' own: apiVersion, plural, whether they have a namespace."""
SERVED = {"AdvancedStatefulSet": "StatefulSet", "VolcanoJob": "Job"}
OTHERS = ("ConfigMap", "ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "ClusterRole")
KINDS = (*NATIVE_PODS, *NATIVE_PODS, *CUSTOM, *OTHERS, "ConfigMap", "ConfigMap", "ConfigMap", "Job", "Job")
API = {
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), "apps/v1"),
    **dict.fromkeys(("Job", "CronJob"), "batch/v1"),
    "ClusterRole": "rbac.authorization.k8s.io/v1",
}
JSON_TEXT = ('{"log": {"level": "info", "sinks": ["a", "b"]}, "port": 8080, "rate": 1.5}', '["a", {"b": 1}]', "{oops")
YAML_TEXT = (
    "# a comment\nserver:\n  port: 8080\n  hosts: [a, b]\nenabled: yes\nversion: '1.10'\nnote: |\n  two\n  lines\n",
    "- name: a\n- name: b\n  when: 2024-01-01\n",
    "log:\n  level: info\nempty:\ntext: 'on'\nlong: " + "word " * 30 + "\n",
    "a: [",
)
BROKEN = 0.1
"""How often a text is one that can't be read."""


def definitions() -> list[Object]:
    """Return the CustomResourceDefinitions of the custom kinds: anything may be in them."""
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
    """Return every kind that the cases use, as a Cluster's status lists what it serves."""
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
    """Return Clusters in pull mode, with labels and fields that overrides may ask for."""
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
    """Return one case: a template, its propagation policy, and the override policies that may reach it."""
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
    """Return the policy that sends a template somewhere."""
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


# -- overrides ------------------------------------------------------------------------------------


def override_policy(rnd: random.Random, obj: Object, names: list[str], name: str) -> Object:
    """Return an override policy that means the template, or nearly."""
    meta = obj["metadata"]
    namespaced = bool(meta.get("namespace"))
    wide = not namespaced or rnd.random() < 0.4
    selector = {"apiVersion": obj["apiVersion"], "kind": obj["kind"]}
    if namespaced:
        selector["namespace"] = meta["namespace"]
    how = rnd.random()
    if how < 0.6 or (wide and not namespaced):
        selector["name"] = meta["name"]
    elif how < 0.75:
        selector["labelSelector"] = {"matchLabels": {"app": meta["name"]}}
    elif how < 0.8:
        selector["kind"] = "Nothing"
    selectors = [] if not wide and rnd.random() < 0.15 else [selector]
    rules = [
        {**({"targetCluster": t} if (t := target(rnd, names)) is not None else {}), "overriders": overriders(rnd, obj)}
        for _ in range(rnd.randint(1, 2))
    ]
    spec: Object = {"resourceSelectors": selectors} if selectors else {}
    if rnd.random() < 0.1:
        spec |= rules[0]  # the form of before 1.1, which the API still has
    else:
        spec["overrideRules"] = rules
    kind = "ClusterOverridePolicy" if wide else "OverridePolicy"
    metadata = {"name": name, **({} if wide else {"namespace": meta["namespace"]})}
    return {"apiVersion": POLICY_API, "kind": kind, "metadata": metadata, "spec": spec}


def target(rnd: random.Random, names: list[str]) -> Object | None:
    """Return which clusters a rule is for."""
    how = rnd.random()
    if how < 0.3:
        return None
    if how < 0.4:
        return {"exclude": [rnd.choice(names)]}
    if how < 0.6:
        return {"clusterNames": sorted(rnd.sample(names, rnd.randint(1, len(names))))}
    if how < 0.8:
        expression = {"key": rnd.choice(("env", "gpu")), "operator": rnd.choice(("Exists", "DoesNotExist"))}
        by = rnd.choice(({"matchLabels": {"env": "prod"}}, {"matchExpressions": [expression]}))
        return {"labelSelector": by}
    key, values = rnd.choice((("provider", ["aws"]), ("region", ["eu"]), ("zone", ["eu-a", "us-b"])))
    return {
        "fieldSelector": {"matchExpressions": [{"key": key, "operator": rnd.choice(("In", "NotIn")), "values": values}]}
    }


def overriders(rnd: random.Random, obj: Object) -> Object:
    """Return overriders of one or more kinds."""
    makers = {
        "imageOverrider": image,
        "commandOverrider": words,
        "argsOverrider": words,
        "labelsOverrider": marks,
        "annotationsOverrider": marks,
        "plaintext": plaintext,
        "fieldOverrider": embedded,
    }
    keys = [key for key in makers if key != "fieldOverrider"]
    if obj["kind"] == "ConfigMap":
        keys = ["labelsOverrider", "annotationsOverrider", "plaintext", "fieldOverrider"]
        if rnd.random() < 0.5:
            keys = ["fieldOverrider", rnd.choice(keys)]
    chosen = dict.fromkeys(rnd.sample(keys, min(len(keys), rnd.choice((1, 1, 2)))))
    return {key: [makers[key](rnd, obj) for _ in range(rnd.choice((1, 1, 2)))] for key in chosen}


def image(rnd: random.Random, obj: Object) -> Object:
    """Return an imageOverrider."""
    component = rnd.choice(("Registry", "Repository", "Tag"))
    operator = rnd.choice(("add", "replace", "replace", "remove"))
    step = {"component": component, "operator": operator}
    if operator != "remove":
        step["value"] = rnd.choice(VALUES[component])
    if rnd.random() < 0.3:
        paths = ["/spec/template/spec/containers/0/image", "/spec/template/spec/initContainers/0/image", "/spec/image"]
        if obj["kind"] == "Pod":
            paths = ["/spec/containers/0/image", "/spec/initContainers/0/image"]
        if obj["kind"] == "CronJob":
            paths = ["/spec/jobTemplate/spec/template/spec/containers/0/image"]
        step["predicate"] = {"path": rnd.choice(paths)}
    return step


def words(rnd: random.Random, _: Object) -> Object:
    """Return a commandOverrider or argsOverrider."""
    value = rnd.sample(["--fast", "-v", "--new", "run"], rnd.randint(1, 2))
    return {
        "containerName": rnd.choice(("c0", "c0", "c1", "init", "other")),
        "operator": rnd.choice(("add", "remove")),
        "value": value,
    }


def marks(rnd: random.Random, _: Object) -> Object:
    """Return a labelsOverrider or annotationsOverrider."""
    keys = rnd.sample(["app", "example.org/team", "note", "example.org/a", "new"], rnd.randint(1, 2))
    return {
        "operator": rnd.choice(("add", "replace", "remove")),
        "value": {key: f"v{rnd.randint(0, 9)}" for key in keys},
    }


def plaintext(rnd: random.Random, obj: Object) -> Object:
    """Return one step of a JSON patch, most of them fitting."""
    kind = obj["kind"]
    steps: list[tuple[str, str, Any]] = [
        ("add", "/metadata/annotations/patched", "yes"),
        ("add", "/metadata/labels/example.org~1patched", "yes"),
        ("replace", "/metadata/labels/app", "other"),
        ("remove", "/metadata/annotations/note", None),
        ("add", "/spec/nowhere/at/all", 1),
        ("replace", "/metadata/uid", "00000000-0000-0000-0000-000000000000"),
        ("add", "/metadata/finalizers", ["example.org/keep"]),
    ]
    spec = {"Pod": "/spec", "CronJob": "/spec/jobTemplate/spec/template/spec"}.get(kind, "/spec/template/spec")
    if kind in NATIVE_PODS or kind in ("CloneSet", "BroadcastJob"):
        steps += [
            ("add", f"{spec}/nodeSelector", {"disk": "hdd"}),
            ("add", f"{spec}/nodeSelector/zone", "a"),
            ("replace", f"{spec}/dnsPolicy", "Default"),
            ("remove", f"{spec}/terminationGracePeriodSeconds", None),
            ("add", f"{spec}/containers/0/env/-", {"name": "NEW", "value": "1"}),
            ("add", f"{spec}/containers/-1/env", [{"name": "NEW", "value": "1"}]),
            ("remove", f"{spec}/containers/1", None),
            ("replace", f"{spec}/containers/0/resources", {}),
            ("add", f"{spec}/containers/0/securityContext", None),
            ("add", f"{spec}/containers/00/tty", True),
            ("replace", "/spec/replicas", 7),
            ("add", "/spec/completions", 9),
            ("add", "/spec/ttlSecondsAfterFinished", 5),
        ]
    if kind in ("Widget", "Landscape"):
        steps += [
            ("replace", "/spec/nothing", "something"),
            ("add", "/spec/list/1", {"deep": [1.0, 2.5]}),
            ("replace", "/spec/list/-2", None),
            ("remove", "/spec/list/5", None),
            ("add", "/spec/nothing/below", 1),
        ]
    if kind == "Service":
        steps += [
            ("replace", "/spec/clusterIP", "10.0.0.99"),
            ("add", "/spec/ports/0/nodePort", 30123),
            ("replace", "/spec/type", "NodePort"),
            ("replace", "/spec/sessionAffinity", "ClientIP"),
        ]
    if kind == "ConfigMap":
        steps += [
            ("replace", "/data/plain", "<other> & more"),
            ("add", "/data/new", ""),
            ("remove", "/data/missing", None),
        ]
    if kind == "Secret":
        steps += [("add", "/data/more", "eA=="), ("replace", "/type", "example.org/kind"), ("remove", "/data", None)]
    operator, path, value = rnd.choice(steps)
    return {"operator": operator, "path": path, **({} if operator == "remove" else {"value": value})}


FITTING: dict[str, list[tuple[str, str, Any]]] = {
    JSON_TEXT[0]: [
        ("replace", "/log/level", "debug <b> & é \u2028"),
        ("add", "/log/sinks/-", {"to": "c", "at": 1}),
        ("remove", "/log/sinks/-1", None),
        ("add", "/new", [1, 2.5, 1e21, None, True]),
        ("replace", "/rate", 2.0),
    ],
    JSON_TEXT[1]: [("add", "/0", "first"), ("replace", "/1/b", 'quoted "text"'), ("add", "/-", {"z": 1, "a": 2})],
    YAML_TEXT[0]: [
        ("replace", "/server/port", 9090),
        ("add", "/server/hosts/-", "c: d"),
        ("add", "/new", {"a": ["x", {"y": 1.5}], "b": [], "c": {}, "t": "two\nlines", "e": "", "n": None}),
        (
            "add",
            "/words",
            ["yes", "no", "1.0", "0x1f", "1e3", "null", "~", "12:30:00", "2024-01-01", " lead", "trail "],
        ),
        (
            "add",
            "/signs",
            ["# z", "- a", "a #b", "[x", "{y}", "&z", "*w", "!t", "%p", "@a", "`b", "a:", ": b", "?", "-", "'q", '"d'],
        ),
        ("add", "/numbers", [1e21, 1.5e-7, 100000.0, 123456789.25, -0.5, 12345678901]),
        ("add", "/keys", {"a10": 1, "a9": 2, "b-1": 3, "b": 4, "1": 5, "yes": 6, "A": 7, "_": 8}),
        ("add", "/texts", ["tab\there", "end\n", "end\n\n", "\nstart", "é ü", "x" * 100 + " y", "back\\slash"]),
        ("remove", "/note", None),
    ],
    YAML_TEXT[1]: [("add", "/0/name", "# z"), ("remove", "/1", None), ("add", "/-", {"deep": [[1, 2], [{"a": []}]]})],
    YAML_TEXT[2]: [
        ("replace", "/log/level", "no"),
        ("replace", "/empty", {"was": "null"}),
        ("replace", "/long", "word " * 30),
    ],
}
"""Steps that fit the texts above."""


def embedded(rnd: random.Random, obj: Object) -> Object:
    """Return a fieldOverrider for JSON or YAML inside a string, most of them fitting."""
    key, name = rnd.choice((("json", "a.json"), ("yaml", "b.yaml")))
    unfit: list[tuple[str, str, Any]] = [
        ("replace", "/missing", 1),
        ("add", "/log/level/below", 1),
        ("remove", "/none", None),
    ]
    steps = FITTING.get(obj["data"][name], []) if rnd.random() < 0.9 else unfit
    path = f"/data/{name}" if rnd.random() < 0.9 else rnd.choice(("/data/none", "/metadata", "/data/plain"))
    chosen = rnd.sample(steps or unfit, rnd.choice((1, 1, 2)))
    patch = [{"subPath": p, "operator": o, **({} if o == "remove" else {"value": v})} for o, p, v in chosen]
    return {"fieldPath": path, key: patch}


def compact(value: Any) -> str:
    """Return JSON in its shortest form, keys in order."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
