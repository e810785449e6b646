"""What clusters get from templates: replicas, completions, fields that are never sent, all clusters of a binding."""

import copy

import pytest

from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import (
    divided_completions,
    possible_completions,
    revised,
)
from flotilla.karmada.rendering.traveling import traveling
from flotilla.karmada.rendering.works import NotSent, Sent, works_of
from flotilla.karmada.scheduling import Scheduler, demand_of, replicas_field, replicas_of
from flotilla.karmada.versions import Version
from tests.unit.templates import EDGE, NEW, OLD, config, job, pods, policy

# -- replicas and completions ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "kind", "field_name", "since"),
    [
        ("apps/v1", "Deployment", "replicas", OLD),
        ("apps/v1", "ReplicaSet", "replicas", Version(1, 16)),
        ("batch/v1", "Job", "parallelism", OLD),
        ("apps.kruise.io/v1alpha1", "CloneSet", "replicas", OLD),
        ("apps.kruise.io/v1beta1", "StatefulSet", "replicas", OLD),
        ("apps.kruise.io/v1alpha1", "UnitedDeployment", "replicas", Version(1, 15)),
        ("apps.kruise.io/v1alpha1", "BroadcastJob", "parallelism", OLD),
        ("argoproj.io/v1alpha1", "Workflow", "parallelism", OLD),
        ("batch.volcano.sh/v1alpha1", "Job", None, OLD),
        ("apps/v1", "DaemonSet", None, OLD),
        ("v1", "Pod", None, OLD),
    ],
)
def test_replicas_are_in_the_fields_that_karmadas_interpreters_use(api, kind, field_name, since):
    """A kind is a group, a version and a name: a Job of another group has no parallelism that Karmada divides."""
    template = pods(kind, api, replicas=4, parallelism=4)
    assert replicas_field(template, since) == field_name
    assert replicas_of(template) == (4 if field_name else None)
    assert revised(template, 3)["spec"].get(field_name or "none") == (3 if field_name else None)
    if since > OLD:
        assert replicas_field(template, Version(1, since.minor - 1)) is None


def test_template_with_an_empty_or_malformed_spec_does_not_crash():
    """Regression: a manifest with an empty `spec:` ended `validate` and `preview` with an unexpected TypeError."""
    template = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}}
    assert revised({**template, "spec": None}, 3)["spec"] == {"replicas": 3}
    for spec in (5, "x", [1]):
        with pytest.raises(ValueError, match="Deployment web: spec isn't a map"):
            revised({**template, "spec": spec}, 3)


def test_replicas_of_a_job_are_bounded_by_its_completions():
    """Karmada uses the number of pods that run at once.

    A duplicated Job with fewer completions gets less parallelism.
    """
    asked = [{"parallelism": 4, "completions": 3}, {"parallelism": 4}, {"completions": 3}]
    assert [demand_of(job(**spec), Scheduler()).replicas for spec in asked] == [3, 4, 1]


@pytest.mark.parametrize(
    ("spec", "targets", "version", "expected"),
    [
        ({"completions": 12, "parallelism": 4}, [("a", 3), ("b", 1)], NEW, [{"a": 9, "b": 3}]),
        ({"completions": 12, "parallelism": 4}, [("a", 3), ("b", 1)], OLD, [{"a": 9, "b": 3}]),
        ({"completions": 12, "parallelism": 4}, [("a", 1), ("b", 3)], OLD, [{"a": 9, "b": 3}]),
        ({"completions": 12, "parallelism": 4}, [("b", 3), ("a", 1)], Version(1, 17), [{"a": 9, "b": 3}]),
        ({"completions": 3, "parallelism": 2}, [("a", 1), ("b", 1)], NEW, [{"a": 2, "b": 1}, {"a": 1, "b": 2}]),
        ({"parallelism": 4}, [("a", 3), ("b", 1)], NEW, []),
        ({}, [("a", 1)], NEW, [{"a": 1}]),
        ({"completions": 2, "parallelism": 3}, [("a", 1), ("b", 1), ("c", 1)], OLD, [{"a": 1, "b": 1, "c": 0}]),
    ],
)
def test_completions_of_a_divided_job_are_divided_by_parallelism(spec, targets, version, expected):
    """Before 1.18 Karmada assigns the parts by position, so one cluster may get the part of another one."""
    assert divided_completions(job(**spec), targets, version=version) == expected


@pytest.mark.parametrize(("uid", "first"), [("a", {"a": 2, "b": 1}), ("b", {"a": 1, "b": 2})])
def test_tie_is_broken_by_the_templates_uid(uid, first):
    template = job(completions=3, parallelism=2)
    either = divided_completions(template, [("a", 1), ("b", 1)])
    assert divided_completions(template, [("a", 1), ("b", 1)], uid=uid) == [first]
    assert first in either
    assert possible_completions(template, [("a", 1), ("b", 1)])["a"] == [2, 1]


# -- fields that are never sent -------------------------------------------------------------------


def test_fields_of_an_api_server_are_never_sent():
    written = dict.fromkeys(("uid", "generation", "resourceVersion", "creationTimestamp", "finalizers"), "x")
    template = {**pods(), "status": {"replicas": 1}}
    template["metadata"] = {
        **template["metadata"],
        **written,
        "annotations": {"deployment.kubernetes.io/revision": "2"},
    }
    assert traveling(template) == {**pods(), "metadata": {**pods()["metadata"], "annotations": {}}}


def test_ttl_and_generated_labels_of_a_job_are_never_sent():
    template = job(ttlSecondsAfterFinished=60, selector={"matchLabels": {"controller-uid": "1"}})
    template["spec"]["template"]["metadata"] = {"labels": {"job-name": "web", "app": "web"}}
    sent = traveling(template)["spec"]
    assert "ttlSecondsAfterFinished" not in sent
    assert (sent["selector"], sent["template"]["metadata"]) == ({"matchLabels": {}}, {"labels": {"app": "web"}})
    template["spec"]["manualSelector"] = True
    assert traveling(template)["spec"]["selector"] == {"matchLabels": {"controller-uid": "1"}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "healthCheckNodePort": 1}, {"healthCheckNodePort": 1}),
        ({"clusterIP": "None", "clusterIPs": ["None"]}, {"clusterIP": "None", "clusterIPs": ["None"]}),
    ],
)
def test_address_of_a_service_is_never_sent_unless_it_is_none(spec, expected):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec}
    assert traveling(service)["spec"] == expected


@pytest.mark.parametrize(("version", "kept"), [(OLD, ["web-token-b", "own"]), (NEW, ["own"])])
def test_token_secrets_are_never_sent_and_upstreams_loop_skips_every_second(version, kept):
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "web"}}
    account["secrets"] = [{"name": name} for name in ("web-token-a", "web-token-b", "web-token-c", "own")]
    assert [one["name"] for one in traveling(account, version)["secrets"]] == kept


def test_secrets_and_claims_lose_fields_of_their_cluster():
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s"},
        "type": "kubernetes.io/service-account-token",
        "data": {"token": "x"},
    }
    assert traveling(secret)["data"] is None
    noted = {"volume.kubernetes.io/selected-node": "n", "own": "1"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c", "annotations": noted}}
    assert traveling(claim)["metadata"]["annotations"] == {"own": "1"}


def test_override_cannot_set_a_field_that_is_never_sent():
    rule = {"overriders": {"plaintext": [{"operator": "add", "path": "/spec/ttlSecondsAfterFinished", "value": 5}]}}
    assert "ttlSecondsAfterFinished" not in render(job(), EDGE, replicas=1, rules=[rule])["spec"]


# -- declared templates ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "/spec/strategy/rollingUpdate/maxSurge",
            1,
            {"rollingUpdate": {"maxUnavailable": "25%", "maxSurge": 1}, "type": "RollingUpdate"},
        ),
        ("/spec/template/spec/dnsPolicy", "Default", "Default"),
        ("/spec/template/spec/containers/0/imagePullPolicy", "Always", "Always"),
    ],
)
def test_override_of_a_field_with_an_api_server_default_does_not_fail(path, value, expected):
    """A plan knows the template as declared; Karmada patches it with the API server's defaults."""
    rule = {"overriders": {"plaintext": [{"operator": "replace", "path": path, "value": value}]}}
    sent = render(pods(), EDGE, replicas=2, rules=[rule])
    found = sent
    for part in path.split("/")[1:]:
        if part == "rollingUpdate":
            break
        found = found[int(part)] if part.isdecimal() else found[part]
    assert found == expected
    assert "progressDeadlineSeconds" not in sent["spec"]  # without a default next to it


def test_annotations_that_only_the_control_plane_sets_can_be_patched():
    """Karmada stores its claim in every template's annotations, so the annotations are never empty."""
    rule = {"overriders": {"plaintext": [{"operator": "add", "path": "/metadata/annotations/a", "value": "1"}]}}
    assert render(config(), EDGE, replicas=None, rules=[rule])["metadata"]["annotations"] == {"a": "1"}
    assert render(config(), EDGE, replicas=None, rules=[]) == config()


# -- all clusters of a binding --------------------------------------------------------------------

FAILING = policy("a", "a", target={"clusterNames": ["b"]})
FAILING["spec"]["overrideRules"][0]["overriders"] = {"plaintext": [{"operator": "remove", "path": "/spec/none"}]}


@pytest.mark.parametrize(("version", "sent"), [(OLD, ["a"]), (Version(1, 13), ["a", "c"]), (NEW, ["a", "c"])])
def test_override_that_fails_in_one_cluster_stops_the_others_before_1_13(version, sent):
    found = works_of(pods(), [("a", 1), ("b", 1), ("c", 1)], {}, [FAILING], divided=True, version=version)
    assert [name for name, one in found.items() if isinstance(one, Sent)] == sent
    assert isinstance(found["b"], NotSent)
    assert "OverridePolicy a: remove /spec/none" in found["b"].reason


def test_rendering_never_changes_the_template():
    template = job(completions=4, parallelism=2, ttlSecondsAfterFinished=1)
    before = copy.deepcopy(template)
    works_of(template, [("a", 1), ("b", 1)], {}, [policy("a", "a", all=True)], divided=True)
    assert template == before
