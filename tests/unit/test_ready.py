"""Readiness rules: by kind and name, conditions, and values that Karmada collects."""

import jsonschema
import pytest

from flotilla.karmada.status.ready import Goal, Selector, Until, goal_of
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.kube.jsonpath import JsonPath
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.readiness import Readiness, plain_rules
from flotilla.stack.schema import stack_file_schema
from flotilla.stack.workloads import Workload
from flotilla.workloads.readiness import check_ready
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, live, work


def obj(kind, name="web", api_version="v1", *, namespace="default", annotations=None, **spec):
    metadata = {"name": name, "namespace": namespace, **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


# -- paths ------------------------------------------------------------------------------------------------------------

STATUS = {
    "phase": "Bound",
    "count": 2,
    "ok": True,
    "a.b": "dotted",
    "loadBalancer": {"ingress": [{"ip": "10.0.0.1"}, {"hostname": "h"}]},
    "conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("{.status.phase}", ["Bound"]),
        (".status.count", [2]),
        ("{ .status['a.b'] }", ["dotted"]),
        (r"{.status.a\.b}", ["dotted"]),
        ("{.status.loadBalancer.ingress[0].ip}", ["10.0.0.1"]),
        ("{.status.loadBalancer.ingress[-1].hostname}", ["h"]),
        ("{.status.loadBalancer.ingress[*].ip}", ["10.0.0.1"]),
        ('{.status.conditions[?(@.type=="Ready")].status}', ["True"]),
        ("{.status.conditions[?(@.type != 'Ready')].status}", ["False"]),
        ("{.status.loadBalancer.ingress[5].ip}", []),
        ("{.status.phase.deeper}", []),
        ("{.status.nothing}", []),
    ],
)
def test_path_gives_the_same_value_as_in_kubectl(path, found):
    assert JsonPath.parse(path).values({"status": STATUS}) == found


@pytest.mark.parametrize(
    "path", ["", "{}", "status.phase", "{.status..phase}", "{.status[1:2]}", "{range .items}", "{.a}b"]
)
def test_unsupported_path_is_refused(path):
    with pytest.raises(ValueError, match=r"is not understood|is empty"):
        JsonPath.parse(path)


# -- rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "goal"),
    [
        ({}, None),
        ({"Deployment": "applied"}, None),
        ({"Service": "applied"}, Goal(Until.APPLIED)),
        ({"Service": "applied", "Service/web": "healthy"}, Goal(Until.HEALTHY)),
        ({"Service": "applied", "Service/other": "healthy"}, Goal(Until.APPLIED)),
        ({"Service/web": "applied", "Service/default/web": "healthy"}, Goal(Until.HEALTHY)),
        ({"Service/elsewhere/web": "healthy"}, None),
        ({"Service.example.org": "healthy"}, None),
        ({"Service": {"condition": "Ready"}}, Goal(condition="Ready")),
    ],
)
def test_most_specific_rule_counts(rules, goal):
    assert goal_of(rules, obj("Service")) == goal


@pytest.mark.parametrize(
    ("rules", "goal"),
    [({}, Until.APPLIED), ({"Service": "healthy"}, Until.APPLIED), ({"Service/web": "healthy"}, Until.HEALTHY)],
)
def test_annotation_of_a_manifest_overrides_a_rule_for_its_kind(rules, goal):
    marked = obj("Service", annotations={"flotilla.dev/health-ignored": "true"})
    assert goal_of(rules, marked) == Goal(goal)


def test_kind_with_a_group_is_not_that_of_another_group():
    volcano = obj("Job", api_version="batch.volcano.sh/v1alpha1")
    assert Selector.parse("Job").matches(volcano)
    assert Selector.parse("Job.batch.volcano.sh/web").matches(volcano)
    assert not Selector.parse("Job.batch").matches(volcano)


@pytest.mark.parametrize(
    ("goal", "status", "missing"),
    [
        ({"condition": "Ready"}, STATUS, ""),
        ({"condition": "Other"}, STATUS, "condition Other is False"),
        ({"condition": "Other", "status": "False"}, STATUS, ""),
        ({"condition": "Complete"}, {}, "no condition Complete yet"),
        (
            {"condition": "Ready"},
            {"conditions": [{"type": "Ready", "status": "False", "reason": "NoQuota", "message": "none is left"}]},
            "condition Ready is False: NoQuota: none is left",
        ),
        ({"jsonPath": "{.status.phase}", "value": "Bound"}, STATUS, ""),
        (
            {"jsonPath": "{.status.phase}", "value": "Bound"},
            {"phase": "Pending"},
            ".status.phase is Pending, wanted Bound",
        ),
        ({"jsonPath": "{.status.phase}", "value": "Bound"}, {}, "no .status.phase yet"),
        ({"jsonPath": "{.status.count}", "value": "2"}, STATUS, ""),
        ({"jsonPath": "{.status.ok}", "value": "true"}, STATUS, ""),
        ({"jsonPath": "{.status.loadBalancer.ingress}"}, STATUS, ""),
        ({"jsonPath": "{.status.loadBalancer.ingress}"}, {"loadBalancer": {}}, "no .status.loadBalancer.ingress yet"),
        (
            {"jsonPath": "{.status.conditions[*].status}", "value": "True"},
            STATUS,
            ".status.conditions[*].status is False, wanted True",
        ),
    ],
)
def test_text_says_what_a_condition_or_value_lacks(goal, status, missing):
    assert Goal.of(goal).missing(status) == missing


def progress_of(template, ready, **item):
    """Return the progress of a template in m0 and m1, for the given status of m1."""
    bound = binding(template, ["m0", "m1"], healthy=["m0"])
    bound["spec"]["clusters"] = [{"name": "m0"}, {"name": "m1"}]
    bound["status"]["aggregatedStatus"].append({"clusterName": "m1", "applied": True, **item})
    works = [work(template, name, identity="id-web") for name in ("m0", "m1")]
    plane = Plane(cluster("m0"), cluster("m1"), live(template), bound, *works)
    (found,) = check_once(RolloutCheck([template], EVERYWHERE, [], ready=ready), plane)
    return found


CRD = obj("Widget", api_version="example.org/v1")


@pytest.mark.parametrize(
    ("ready", "item", "done"),
    [
        ({}, {"health": "Unhealthy"}, False),
        ({"Widget": "healthy"}, {"health": "Unhealthy"}, False),
        ({"Widget": "applied"}, {"health": "Unhealthy"}, True),
        ({"Widget": "applied"}, {"health": "Unhealthy", "applied": False}, False),
        (
            {"Widget": {"condition": "Ready"}},
            {"health": "Unhealthy", "status": {"conditions": STATUS["conditions"]}},
            False,
        ),
        (
            {"Widget/web": {"jsonPath": ".status.phase", "value": "Bound"}},
            {"health": "Unhealthy", "status": STATUS},
            False,
        ),
    ],
)
def test_rule_applies_in_every_cluster_and_replaces_health(ready, item, done):
    """m0 reports only its health: a rule that needs more is not met there."""
    progress = progress_of(CRD, ready, **item)
    assert progress.done is done
    if ready and not isinstance(next(iter(ready.values())), str):
        assert [one.cluster for one in progress.clusters if not one.done] == ["m0"]


# -- the stack file ----------------------------------------------------------------------------------------------------


def workload(ready, **more):
    return Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, "ready": ready, **more})


def test_forms_of_the_stack_file_become_plain_data():
    ready = {
        "Service": "applied",
        "Job/migrate": {"condition": "Complete"},
        "Widget": {"condition": "Stalled", "status": False},
        "Deployment/web": {"jsonPath": "{.status.readyReplicas}", "value": 2},
        "Gateway.gateway.networking.k8s.io": {"jsonPath": "{.status.addresses}"},
    }
    assert plain_rules(workload(ready).ready) == {
        "Deployment/web": {"jsonPath": ".status.readyReplicas", "value": "2"},
        "Gateway.gateway.networking.k8s.io": {"jsonPath": ".status.addresses"},
        "Job/migrate": {"condition": "Complete", "status": "True"},
        "Service": "applied",
        "Widget": {"condition": "Stalled", "status": "False"},
    }


SECTIONS = {"controlPlane": {"kubeconfig": "k"}, "members": [{"name": "m", "kubeconfig": "k"}]}


@pytest.mark.parametrize(
    ("ready", "text"),
    [
        ({"Service": "ignored"}, 'workloads[0].ready.Service: "ignored" — must be `applied` or `healthy`'),
        ({"Service": None}, "must be `applied` or `healthy`, or a mapping with `condition` or `jsonPath`"),
        ({"service": "applied"}, "the key 'service' is not Kind, Kind.group, Kind/name or Kind/namespace/name"),
        ({"Service": {}}, "needs exactly one of 'condition' and 'jsonPath'"),
        ({"Service": {"condition": "A", "jsonPath": ".status.a"}}, "needs exactly one of 'condition' and 'jsonPath'"),
        ({"Service": {"condition": "A", "value": "x"}}, "has 'value' without 'jsonPath'"),
        ({"Service": {"jsonPath": ".status.a", "status": "True"}}, "has 'status' without 'condition'"),
        ({"Service": {"jsonPath": ".status[a"}}, "is not understood from '[a' on"),
        ({"Service": {"jsonPath": "{.spec.replicas}"}}, "must begin with '.status.'"),
        ({"Service": {"until": "applied"}}, "'until' is not a key of a mapping"),
        ({"Service": {"celExpression": "x"}}, "is not a known key"),
        ({"Service": {"condition": "A", "status": "Maybe"}}, "must be 'True', 'False' or 'Unknown'"),
    ],
)
def test_malformed_value_is_refused_in_one_line(ready, text):
    entry = {"name": "web", "image": "web:1", "placement": {}, "ready": ready}
    with pytest.raises(ConfigError) as error:
        parse_fleet({**SECTIONS, "workloads": [entry]})
    (problem,) = error.value.problems
    assert text in str(problem)


def problems(ready, *manifests, tmp_path):
    import yaml

    (tmp_path / "app.yaml").write_text(yaml.safe_dump_all(manifests))
    entry = {"name": "web", "manifests": ["app.yaml"], "placement": {}, "ready": ready}
    return [str(one) for one in check_ready([(0, Workload.model_validate(entry))], ManifestFiles(tmp_path))]


@pytest.mark.parametrize(
    ("ready", "text"),
    [
        ({"Service": "applied"}, ""),
        ({"Service/web": "healthy", "Widget": {"condition": "Ready"}}, ""),
        ({"Widget/default/web": {"jsonPath": ".status.phase"}}, ""),
        ({"Deployment": {"jsonPath": "{.status.readyReplicas}", "value": 1}}, ""),
        (
            {"Ingress": "applied"},
            "workloads[0].ready.Ingress: matches no object of the workload; it would have no effect",
        ),
        (
            {"Service/other": "applied"},
            "remove it, or name one of Deployment/web, Namespace/web, Service/web, Widget/web",
        ),
        (
            {"Deployment/web": {"condition": "Available"}},
            "asks for status.conditions of Deployment web, which Karmada doesn't collect from members",
        ),
        ({"Service": {"jsonPath": ".status.phase"}}, "use `healthy`, or a JSONPath to one of loadBalancer"),
        ({"Namespace": "healthy"}, "asks for more than `applied` of a Namespace"),
    ],
)
def test_rule_without_a_matching_object_or_status_is_refused(ready, text, tmp_path):
    """Karmada doesn't collect conditions of a Deployment, so a rule for one would wait until the timeout."""
    plain = [
        {**one, "metadata": {"name": "web"}}
        for one in (obj("Service"), obj("Deployment", api_version="apps/v1"), CRD, obj("Namespace"))
    ]
    found = problems(ready, *plain, tmp_path=tmp_path)
    assert len(found) == bool(text)
    assert text in "".join(found)


@pytest.mark.parametrize(
    ("value", "fits"),
    [("applied", True), ({"condition": "Ready"}, True), ("later", False), ({"until": "applied"}, False)],
)
def test_schema_for_editors_accepts_the_same_forms(value, fits):
    entry = {"name": "web", "image": "web:1", "placement": {}, "ready": {"Service": value}}
    config = {"flotilla:controlPlane": {"kubeconfig": "k"}, "flotilla:workloads": [entry]}
    found = list(jsonschema.Draft202012Validator(stack_file_schema()).iter_errors({"config": config}))
    assert (not found) is fits
    if not isinstance(value, dict) and not fits:
        with pytest.raises(ValueError, match="must be"):
            Readiness.model_validate(value)
