"""Views of Karmada's objects lose nothing: whatever is read is written back, at any depth, known or not."""

import json
import random

import pytest
import yaml

from flotilla.errors import ClusterError
from flotilla.karmada import objects as api
from flotilla.karmada.client.typed import Kind
from flotilla.kube.operations import Page
from tests.unit.test_karmada import KINDS, published_schema, resolve

WORDS = ("a", "b-1", "eu", "5", "")
DEEPEST = 9
STRING = {"type": "string"}
KUBERNETES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": STRING,
    "io.k8s.apimachinery.pkg.apis.meta.v1.Condition": {
        "properties": dict.fromkeys(("type", "status", "reason", "message", "lastTransitionTime"), STRING),
        "required": ["type", "status"],
    },
    "io.k8s.api.core.v1.Taint": {
        "properties": dict.fromkeys(("key", "value", "effect", "timeAdded"), STRING),
        "required": ["key", "effect"],
    },
}
"""Kubernetes' own types, which Karmada's published definitions refer to."""


def generated(schema, definitions, rng, *, depth=0, every=False):
    """Make a value of a published schema: all of its fields, or some of them."""
    schema = resolve(schema, definitions)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    match schema.get("type"):
        case "array":
            inner = schema.get("items", {})
            count = 1 if every else rng.randint(0, 2)
            return [generated(inner, definitions, rng, depth=depth + 1, every=every) for _ in range(count)]
        case "string":
            return rng.choice(WORDS)
        case "integer":
            return rng.choice((0, 1, 2**40))
        case "number":
            return rng.choice((0.5, 2.0))
        case "boolean":
            return rng.choice((True, False))
    if "properties" not in schema and isinstance(schema.get("additionalProperties"), dict):
        inner = schema["additionalProperties"]
        return {word: generated(inner, definitions, rng, depth=depth + 1, every=every) for word in WORDS[:2]}
    if "properties" not in schema:
        return {"name": "x", "anything": [1, 2.5, None, {"deep": True}]}
    required = schema.get("required", [])
    chosen = [
        name
        for name in schema["properties"]
        if (name in required or every or rng.random() < 0.5) and (depth < DEEPEST or name in required)
    ]
    return {
        name: generated(schema["properties"][name], definitions, rng, depth=depth + 1, every=every) for name in chosen
    }


def an_object(schema, definitions, model, seed, *, every=False):
    rng = random.Random(seed)  # noqa: S311 - test data
    body = generated(schema, {**KUBERNETES, **definitions}, rng, every=every)
    metadata = {"name": "x", "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}], "ownerReferences": []}
    return {**body, "apiVersion": model.api_version_of, "kind": model.kind_of, "metadata": metadata}


def same(one, other):
    """Compare with types: 1, 1.0 and True are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("model", KINDS, ids=lambda m: m.kind_of)
def test_a_generated_object_comes_back_whole(published, model):
    schema = published_schema(published, model)
    full = an_object(*schema, model, 0, every=True)
    assert same(model.read(full).manifest(), full)
    for seed in range(30):
        obj = an_object(*schema, model, seed)
        assert same(model.read(obj).manifest(), obj), seed


def recordings(folder):
    for file in sorted((folder / "recorded").rglob("*.yaml")):
        for obj in yaml.safe_load_all(file.read_text()):
            model = next((m for m in KINDS if obj and m.kind_of == obj["kind"]), None)
            if model:
                yield model, json.loads(json.dumps(obj, default=str))


def test_recorded_objects_come_back_whole(published):
    found = list(recordings(published))
    assert {model.kind_of for model, _ in found} >= {"Cluster", "PropagationPolicy", "ResourceBinding", "Work"}
    for model, obj in found:
        assert same(model.read(obj).manifest(), obj)
        (read,) = Kind(model).read_page(Page([obj], "", "1")).items
        assert same(read.manifest(), obj)


def test_fields_that_the_model_does_not_know_survive_a_change():
    """A policy that is read, given another priority and applied keeps its failover, suspension and affinity groups."""
    spec = {
        "resourceSelectors": [{"apiVersion": "apps/v1", "kind": "Deployment", "newer": {"x": 1}}],
        "placement": {
            "clusterAffinities": [{"affinityName": "near", "clusterNames": ["a"]}],
            "spreadConstraints": [{"spreadByField": "cluster", "maxGroups": 1}],
            "replicaScheduling": {"replicaSchedulingType": "Balanced", "later": None},
        },
        "failover": {"application": {"decisionConditions": {"tolerationSeconds": 30}}},
        "suspension": {"dispatching": True},
        "activationPreference": "Lazy",
        "priority": 1,
    }
    policy = {"apiVersion": api.POLICY_API, "kind": "PropagationPolicy", "metadata": {"name": "p"}, "spec": spec}
    read = api.PropagationPolicy.read(policy)
    changed = read.model_copy(update={"spec": read.spec.model_copy(update={"priority": 5})})
    assert same(changed.manifest(), {**policy, "spec": {**spec, "priority": 5}})


def test_nulls_come_back_as_nulls_and_read_as_nothing():
    """A Go server writes an empty list as null."""
    obj = {
        "apiVersion": api.BINDING_API,
        "kind": "ResourceBinding",
        "metadata": {"name": "b", "creationTimestamp": None, "labels": None},
        "spec": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}, "clusters": None},
        "status": {"conditions": None, "aggregatedStatus": [{"clusterName": "a", "applied": None}]},
    }
    read = api.ResourceBinding.read(obj)
    assert (read.spec.clusters, read.status.conditions, read.metadata.labels) == ([], [], {})
    assert same(read.manifest(), obj)


def test_fields_that_are_not_set_do_not_appear():
    made = api.ResourceBinding.read(
        {"metadata": {"name": "b"}, "spec": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}}}
    )
    assert made.status.aggregated_status == []
    assert "status" not in made.manifest()
    assert set(made.manifest()["spec"]) == {"resource"}


def test_an_object_that_is_none_of_karmadas_is_one_line():
    with pytest.raises(ClusterError, match=r"Cluster m: spec.syncMode is not as Karmada's API has it"):
        api.Cluster.read({"metadata": {"name": "m"}, "spec": {}})
    with pytest.raises(ClusterError, match="the object is not as"):
        api.Cluster.read("<html>")
