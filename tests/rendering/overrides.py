"""Random override policies of every kind: pure functions, with the same result for the same seed."""

from __future__ import annotations

import random
from typing import Any

from flotilla.karmada.objects import POLICY_API
from tests.rendering.values import JSON_TEXT, NATIVE_PODS, VALUES, YAML_TEXT, Object


def override_policy(rnd: random.Random, obj: Object, names: list[str], name: str) -> Object:
    """Return an override policy that selects the template, or sometimes nearly does."""
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
        spec |= rules[0]  # the form before 1.1, which the API still has
    else:
        spec["overrideRules"] = rules
    kind = "ClusterOverridePolicy" if wide else "OverridePolicy"
    metadata = {"name": name, **({} if wide else {"namespace": meta["namespace"]})}
    return {"apiVersion": POLICY_API, "kind": kind, "metadata": metadata, "spec": spec}


def target(rnd: random.Random, names: list[str]) -> Object | None:
    """Return the target clusters of a rule; None for all."""
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
    """Return one step of a JSON patch; most of them can be applied."""
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
"""Steps that can be applied to texts of `JSON_TEXT` and `YAML_TEXT`."""


def embedded(rnd: random.Random, obj: Object) -> Object:
    """Return a fieldOverrider for JSON or YAML inside of a string; most of them can be applied."""
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
