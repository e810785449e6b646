"""Templates, a cluster, overrides and their policies for the tests of rendering."""

from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import Version

OLD, NEW = Version(1, 10), Version(1, 18)
EDGE = ClusterFacts("edge", {"site": "edge"}, "own", "eu", ("eu-a", "eu-b"))
A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def pods(kind="Deployment", api="apps/v1", **spec):
    container = {"name": "app", "image": "registry.example/team/app:v1", "command": ["run", "-v"]}
    template = {"spec": {"containers": [container], "initContainers": [{"name": "init", "image": "init:v1"}]}}
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"template": template, **spec},
    }


def config(**data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "namespace": "shop"}, "data": data}


def policy(called, value, /, *, kind="OverridePolicy", target=None, **selector):
    rule = {"overriders": {"annotationsOverrider": [{"operator": "add", "value": {"by": value}}]}}
    meant = [{"apiVersion": "apps/v1", "kind": "Deployment", **selector}] if selector != {"all": True} else []
    metadata = {"name": called, **({"namespace": "shop"} if kind == "OverridePolicy" else {})}
    rules = [{**rule, "targetCluster": target}] if target is not None else [rule]
    return {"kind": kind, "metadata": metadata, "spec": {"resourceSelectors": meant, "overrideRules": rules}}


def job(**spec):
    return pods("Job", "batch/v1", **spec)


def image_step(component, value="", operator="replace", path=None):
    step = {"component": component, "operator": operator, "value": value}
    return {**step, "predicate": {"path": path}} if path else step


def field(path, kind, *steps):
    patch = [{"operator": operator, "subPath": sub, "value": value} for operator, sub, value in steps]
    return {"fieldPath": path, kind: patch}
