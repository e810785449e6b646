"""The model of Karmada: fields against the published API; division and rendering against recorded results."""

import json
from typing import get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel

from flotilla.karmada import objects as api
from flotilla.karmada.joining import join
from flotilla.karmada.names import binding_name, execution_namespace
from flotilla.karmada.propagation import deployment, override_policy, propagation_policy, template
from flotilla.karmada.rendering.images import Image
from flotilla.karmada.rendering.render import render
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, decide, demand_of, divide, matches
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.versions import SUPPORTED
from flotilla.kube.objects import differences
from flotilla.stack.overrides import Override
from flotilla.stack.placement import Placement
from flotilla.stack.specs import override_rule, placement_of
from tests.unit.planes import check_once

KINDS = api.KINDS
SCENARIOS = ("duplicated-both", "divided-weighted-2-1-replicas-7", "override-member2")


def published_schema(folder, model):
    """Return the schema of a kind: from its CRD, or from the OpenAPI for the aggregated Cluster."""
    if model is api.Cluster:
        definitions = json.loads((folder / "openapi-karmada.json").read_text())
        definitions = definitions.get("definitions") or definitions["components"]["schemas"]
        name = next(n for n in definitions if n.endswith("cluster.v1alpha1.Cluster"))
        return {"$ref": f"#/definitions/{name}"}, definitions
    group, _, version = model.api_version_of.partition("/")
    for file in (folder / "crds").glob(f"{group}_*.yaml"):
        crd = yaml.safe_load(file.read_text())
        if crd["spec"]["names"]["kind"] == model.kind_of:
            schema = next(v for v in crd["spec"]["versions"] if v["name"] == version)
            return schema["schema"]["openAPIV3Schema"], {}
    raise AssertionError(f"no CRD for {model.kind_of}")


def resolve(schema, definitions):
    while "$ref" in schema or "allOf" in schema:
        reference = schema.get("$ref") or schema["allOf"][0]["$ref"]
        # Kubernetes' own types (such as Taint) are not in Karmada's definitions and are not checked.
        schema = definitions.get(reference.rpartition("/")[2], {})
    return schema


def nested(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation) if get_origin(annotation) else ():
        found = nested(argument)
        if found:
            return found
    return None


def unknown_fields(model, schema, definitions, path, version):
    """Return modelled fields that the schema lacks, and fields that it has although they are marked as newer."""
    schema = resolve(schema, definitions)
    if schema.get("type") == "array":
        schema = resolve(schema["items"], definitions)
    if "properties" not in schema:
        return []  # an object with any content
    found = []
    for name, field in model.model_fields.items():
        key = field.alias or name
        since = next((mark.version for mark in field.metadata if isinstance(mark, api.Since)), (1, 10))
        if (key in schema["properties"]) != (since <= version):
            found.append(f"{path}.{key}")
        elif since <= version:
            inner = nested(field.annotation)
            if inner and inner is not api.ObjectMeta:
                found += unknown_fields(inner, schema["properties"][key], definitions, f"{path}.{key}", version)
    return found


@pytest.mark.parametrize("model", KINDS, ids=lambda m: m.kind_of)
def test_every_modelled_field_is_published(published, model):
    schema, definitions = published_schema(published, model)
    version = tuple(int(part) for part in published.name.split(".")[:2])
    assert unknown_fields(model, schema, definitions, model.kind_of, version) == []


def unmodelled(model, schema, definitions, path):
    """Return published fields that no view has, including nested ones."""
    schema = resolve(schema, definitions)
    if schema.get("type") == "array":
        schema = resolve(schema["items"], definitions)
    modelled = {field.alias or name: field for name, field in model.model_fields.items()}
    found = []
    for key, inner in schema.get("properties", {}).items():
        model_of = nested(modelled[key].annotation) if key in modelled else None
        if key not in modelled:
            found.append(f"{path}.{key}")
        elif model_of and model_of is not api.ObjectMeta:
            found += unmodelled(model_of, inner, definitions, f"{path}.{key}")
    return found


@pytest.mark.parametrize("model", KINDS, ids=lambda m: m.kind_of)
def test_every_published_field_of_a_spec_and_a_status_is_modelled(published, model):
    """When the data of a newer Karmada is added to the repository, this test lists its new fields."""
    assert unmodelled(model, *published_schema(published, model), model.kind_of) == [
        f"{model.kind_of}.apiVersion",
        f"{model.kind_of}.kind",
    ]


def recorded(folder, scenario, name):
    return [d for d in yaml.safe_load_all((folder / "recorded" / scenario / f"{name}.yaml").read_text()) if d]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_rendered_objects_equal_the_works_of_karmada(published, scenario):
    (declared,) = recorded(published, scenario, "template-deployment")
    (policy,) = recorded(published, scenario, "propagationpolicies")
    overrides = recorded(published, scenario, "overridepolicies") if "override" in scenario else []
    rules = [rule for o in overrides for rule in o["spec"]["overrideRules"]]
    (binding,) = recorded(published, scenario, "resourcebindings")
    named = {**declared, "metadata": {**declared["metadata"], "uid": binding["spec"]["resource"]["uid"]}}
    facts = [ClusterFacts("member1"), ClusterFacts("member2")]
    scheduler = Scheduler()
    placement = policy["spec"]["placement"]
    given = decide(facts, placement, demand_of(named, scheduler), scheduler=scheduler).shares
    assert {c["name"]: c["replicas"] for c in binding["spec"]["clusters"]} == given
    for work in recorded(published, scenario, "works"):
        cluster = work["metadata"]["namespace"].removeprefix("karmada-es-")
        wanted = render(declared, ClusterFacts(cluster), replicas=given[cluster], rules=rules)
        sent = work["spec"]["workload"]["manifests"][0]
        wanted = {"metadata": {"labels": wanted["metadata"].get("labels", {})}, "spec": wanted["spec"]}
        # Without parts of the webhook: the template has labels that Karmada adds and removes later.
        wanted["metadata"]["labels"] = {k: v for k, v in wanted["metadata"]["labels"].items() if "karmada.io" not in k}
        assert differences(wanted, sent) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recorded_objects_can_be_read(published, scenario):
    (binding,) = recorded(published, scenario, "resourcebindings")
    read = api.ResourceBinding.read(binding)
    assert read.condition("Scheduled").status == "True"
    assert {item.health for item in read.status.aggregated_status} == {"Healthy"}
    for work in recorded(published, scenario, "works"):
        assert api.Work.read(work).spec.workload.manifests[0]["kind"] == "Deployment"


def test_recorded_clusters_can_be_read(published):
    for name in ("member1", "member2"):
        cluster = api.Cluster.read(yaml.safe_load((published / "recorded" / "clusters" / f"{name}.yaml").read_text()))
        assert cluster.ready
        assert cluster.status.node_summary.ready_num == 3


@pytest.mark.parametrize(
    ("replicas", "weights", "expected"),
    [
        (7, {"member1": 2, "member2": 1}, {"member1": 5, "member2": 2}),
        (2, {"a": 1, "b": 1}, {"a": 1, "b": 1}),
        (3, {"a": 1, "b": 1}, {"a": 2, "b": 1}),
        (0, {"a": 1}, {"a": 0}),
        (5, {"a": 0, "b": 1}, {"b": 5}),
        (10, {"a": 6, "b": 3, "c": 1}, {"a": 6, "b": 3, "c": 1}),
        (1, {}, {}),
    ],
)
def test_replicas_are_divided_as_by_karmada(replicas, weights, expected):
    assert divide(replicas, weights) == expected


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        ({}, True),
        ({"clusterNames": ["a"]}, True),
        ({"clusterNames": ["b"]}, False),
        ({"clusterNames": ["a"], "exclude": ["a"]}, False),
        ({"labelSelector": {"matchLabels": {"site": "edge"}}}, True),
        ({"labelSelector": {"matchLabels": {"site": "core"}}}, False),
        ({"labelSelector": {"matchExpressions": [{"key": "site", "operator": "Exists"}]}}, True),
        ({"labelSelector": {"matchExpressions": [{"key": "site", "operator": "NotIn", "values": ["edge"]}]}}, False),
        ({"fieldSelector": {"matchExpressions": [{"key": "region", "operator": "In", "values": ["eu"]}]}}, True),
        ({"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["z2", "z9"]}]}}, True),
        ({"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["z2"]}]}}, False),
        ({"fieldSelector": {"matchExpressions": [{"key": "provider", "operator": "In", "values": ["x"]}]}}, False),
    ],
)
def test_affinities_match_as_in_karmada(affinity, expected):
    assert matches(ClusterFacts("a", {"site": "edge"}, "", "eu", ("z1", "z2")), affinity, SUPPORTED.newest) is expected


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("nginx", ("", "nginx", "")),
        ("nginx:1.27", ("", "nginx", "1.27")),
        ("library/nginx:1.27", ("", "library/nginx", "1.27")),
        ("registry:5000/team/app:v1", ("registry:5000", "team/app", "v1")),
        ("localhost/app", ("localhost", "app", "")),
        ("ghcr.io/a/b@sha256:" + "0" * 64, ("ghcr.io", "a/b", "sha256:" + "0" * 64)),
    ],
)
def test_images_are_split_as_by_karmada(text, parts):
    image = Image.parse(text)
    assert (image.registry, image.repository, image.version) == parts
    assert str(image) == text


def test_overrides_apply_in_karmadas_order():
    declared = deployment(
        "web", namespace="default", image="nginx:1", replicas=2, ports=[80], env={"A": "b"}, resources=None, labels={}
    )
    override = {
        "clusters": ["edge"],
        "image": {"registry": "r.example", "tag": "2"},
        "command": ["run"],
        "args": ["-v"],
        "labels": {"site": "edge"},
        "patches": [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "last:wins"}],
    }
    rule = override_rule(Override.model_validate(override), container="web")
    got = render(declared, ClusterFacts("edge"), replicas=3, rules=[rule])
    container = got["spec"]["template"]["spec"]["containers"][0]
    assert (got["spec"]["replicas"], container["image"]) == (3, "last:wins")
    assert (container["command"], container["args"]) == (["run"], ["-v"])
    assert got["metadata"]["labels"]["site"] == "edge"
    assert render(declared, ClusterFacts("core"), replicas=2, rules=[rule]) == declared


def test_patch_that_does_not_apply_is_refused():
    declared = template({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, namespace="x")
    patches = [{"op": "replace", "path": "/data/a", "value": "b"}]
    rule = override_rule(Override.model_validate({"clusters": ["edge"], "patches": patches}), container="")
    with pytest.raises(ValueError, match="the override fails: ConfigMap a: replace /data/a"):
        render(declared, ClusterFacts("edge"), replicas=None, rules=[rule])


class _ControlPlane:
    """Holds a Service of type LoadBalancer that is applied in member1 and never gets an address."""

    def __init__(self, declared):
        self.declared = declared

    def find(self, ref):
        if ref.kind == "Service":
            return {**self.declared, "metadata": {**self.declared["metadata"], "uid": "1"}}
        return {
            "apiVersion": "work.karmada.io/v1alpha2",
            "kind": "ResourceBinding",
            "metadata": {
                "name": "web-service",
                "namespace": "x",
                "labels": {"resourcebinding.karmada.io/permanent-id": "1"},
            },
            "spec": {
                "resource": {"apiVersion": "v1", "kind": "Service", "name": "web", "namespace": "x", "uid": "1"},
                "clusters": [{"name": "member1"}],
            },
            "status": {
                "conditions": [{"type": "Scheduled", "status": "True"}],
                "aggregatedStatus": [{"clusterName": "member1", "applied": True, "health": "Unhealthy"}],
            },
        }

    def list(self, _api_version, kind, **_where):
        if kind == "Cluster":
            return [{"metadata": {"name": "member1"}}]
        work = {"workload": {"manifests": [self.declared]}}
        status = {"conditions": [{"type": "Applied", "status": "True"}]}
        return [
            {
                "apiVersion": "x",
                "kind": "Work",
                "metadata": {
                    "name": "w",
                    "namespace": "karmada-es-member1",
                    "labels": {"resourcebinding.karmada.io/permanent-id": "1"},
                },
                "spec": work,
                "status": status,
            }
        ]


@pytest.mark.parametrize(("asked", "done"), [({}, False), ({"pulumi.com/skipAwait": "true"}, True)])
def test_rollout_does_not_wait_for_the_health_of_objects_with_skip_await(asked, done):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": asked}}
    declared = template({**service, "spec": {"type": "LoadBalancer"}}, namespace="x")
    assert declared["metadata"]["annotations"]["pulumi.com/skipAwait"] == "true", (
        "never waited for in the control plane"
    )
    check = RolloutCheck([declared], {}, [])
    (progress,) = check_once(check, _ControlPlane(declared))
    assert progress.done is done, str(progress)


def test_join_creates_the_same_objects_as_karmadactl():
    assert join.access_role("member1") == "karmada-controller-manager:karmada-member1"
    assert join.token_secret("karmada-member1")["metadata"]["annotations"] == {
        "kubernetes.io/service-account.name": "karmada-member1"
    }
    cluster = join.cluster("member1", cluster_id="uid", api_endpoint="https://x", zones=["z1"])
    assert cluster["spec"] == {
        "syncMode": "Push",
        "id": "uid",
        "apiEndpoint": "https://x",
        "secretRef": {"namespace": "karmada-cluster", "name": "member1"},
        "impersonatorSecretRef": {"namespace": "karmada-cluster", "name": "member1-impersonator"},
        "zones": ["z1"],
    }
    assert "ownerReferences" not in join.credentials("member1", {})["metadata"]
    assert execution_namespace("member1") == "karmada-es-member1"
    assert binding_name("ClusterRole", "system:Node") == "system.node-clusterrole"


def test_policies_equal_those_that_karmada_stores(published):
    """Our policies already have the webhook's defaults, so the webhook changes nothing in them."""
    (declared,) = recorded(published, "divided-weighted-2-1-replicas-7", "template-deployment")
    (kept,) = recorded(published, "divided-weighted-2-1-replicas-7", "propagationpolicies")
    placement = {"clusters": ["member1", "member2"], "replicas": "divided", "weights": {"member1": 2, "member2": 1}}
    spec = {"placement": placement_of(Placement.model_validate(placement))}
    ours = propagation_policy("nginx", namespace="default", templates=[declared], spec=spec)
    assert differences(ours["spec"], kept["spec"]) == []
    override = override_policy("o", namespace="default", templates=[declared], rules=[])
    assert override["spec"]["resourceSelectors"] == kept["spec"]["resourceSelectors"]
