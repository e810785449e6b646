import json

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flotilla.errors import ClusterError
from flotilla.karmada import objects as api
from flotilla.karmada.client.typed import Kind
from flotilla.kube.operations import Page
from tests.conftest import PUBLISHED, VERSIONS
from tests.unit.test_karmada import KINDS, published_schema, resolve

STRING = {"type": "string"}
KUBERNETES = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"x-kubernetes-int-or-string": True},
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
WORDS = st.sampled_from(("a", "b-1", "eu", "5", ""))
NUMBERS = st.sampled_from((0, 1, -1, 2**40))
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.sampled_from((0.5, 2.0, 1e30)) | WORDS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(WORDS, inner, max_size=2),
    max_leaves=4,
)
METADATA = {"name": "x", "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {}}}], "ownerReferences": []}


def values(schema, definitions, *, every):
    """Draw values of a published schema: all of its fields, or some of them together with unpublished fields."""
    schema = resolve(schema, definitions)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return NUMBERS | WORDS
    match schema.get("type"):
        case "array":
            inner = values(schema.get("items", {}), definitions, every=every)
            return st.lists(inner, min_size=int(every), max_size=1 if every else 2)
        case "string":
            return WORDS
        case "integer":
            return NUMBERS
        case "boolean":
            return st.booleans()
    if "properties" not in schema:
        rest = schema.get("additionalProperties")
        inner = values(rest, definitions, every=every) if isinstance(rest, dict) else ANYTHING
        return st.dictionaries(WORDS, inner, min_size=int(every), max_size=2)
    fields = {
        key: maybe_null(inner, values(inner, definitions, every=every), null=not every and key not in required(schema))
        for key, inner in schema["properties"].items()
    }
    needed = {key: value for key, value in fields.items() if every or key in required(schema)}
    optional = {key: value for key, value in fields.items() if key not in needed}
    newer = {} if every else {"aNewerField": ANYTHING}
    return st.fixed_dictionaries(needed, optional={**optional, **newer})


def required(schema):
    """Draw null sometimes: a Go server writes an empty list as null."""
    return schema.get("required", [])


def maybe_null(schema, strategy, *, null):
    """A Go server writes an empty list as null."""
    return strategy | st.none() if null and schema.get("type") == "array" else strategy


def whole(model, body):
    return {**body, "apiVersion": model.api_version_of, "kind": model.kind_of, "metadata": METADATA}


def strategy_of(version, model, *, every):
    schema, definitions = published_schema(PUBLISHED / version, model)
    body = values(schema, {**KUBERNETES, **definitions}, every=every)
    return body.map(lambda one: whole(model, one))


def equal_with_types(one, other):
    """Return whether two values are equal, types included: 1, 1.0 and True are three values."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("every", [True, False], ids=["every field", "some fields"])
@pytest.mark.parametrize("model", KINDS, ids=lambda m: m.kind_of)
@pytest.mark.parametrize("version", VERSIONS)
def test_any_value_of_the_published_schema_is_written_back_unchanged(version, model, every):
    if not (PUBLISHED / version).exists():
        pytest.skip(f"Karmada's published data is not beside the repository: {version}")

    @settings(max_examples=5 if every else 30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy_of(version, model, every=every))
    def is_written_back_unchanged(obj):
        assert equal_with_types(model.read(obj).manifest(), obj)

    is_written_back_unchanged()


def recordings(folder):
    for file in sorted((folder / "recorded").rglob("*.yaml")):
        for obj in yaml.safe_load_all(file.read_text()):
            model = next((m for m in KINDS if obj and m.kind_of == obj["kind"]), None)
            if model:
                yield model, json.loads(json.dumps(obj, default=str))


def test_recorded_objects_are_written_back_unchanged(published):
    found = list(recordings(published))
    assert {model.kind_of for model, _ in found} >= {"Cluster", "PropagationPolicy", "ResourceBinding", "Work"}
    for model, obj in found:
        assert equal_with_types(model.read(obj).manifest(), obj)
        (read,) = Kind(model).read_page(Page([obj], "", "1")).items
        assert equal_with_types(read.manifest(), obj)


def test_fields_unknown_to_the_model_survive_a_change():
    """A policy that is read, changed in its priority and applied keeps its failover, suspension and affinity groups."""
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
    assert equal_with_types(changed.manifest(), {**policy, "spec": {**spec, "priority": 5}})


def test_nulls_are_written_back_as_nulls_and_read_as_empty():
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
    assert equal_with_types(read.manifest(), obj)


def test_fields_that_are_not_set_do_not_appear():
    made = api.ResourceBinding.read(
        {"metadata": {"name": "b"}, "spec": {"resource": {"apiVersion": "v1", "kind": "ConfigMap", "name": "c"}}}
    )
    assert made.status.aggregated_status == []
    assert "status" not in made.manifest()
    assert set(made.manifest()["spec"]) == {"resource"}


def test_object_of_another_api_is_refused_in_one_line():
    with pytest.raises(ClusterError, match=r"Cluster m: spec.syncMode does not match Karmada's API"):
        api.Cluster.read({"metadata": {"name": "m"}, "spec": {}})
    with pytest.raises(ClusterError, match="the object does not match"):
        api.Cluster.read("<html>")
