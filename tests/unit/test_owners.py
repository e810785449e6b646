"""Two writers of one field: fights seen by a watch, autoscalers, and objects that a control plane creates itself."""

import datetime as dt
from types import SimpleNamespace

import pytest

from flotilla.drift.autoscalers import find_autoscaled
from flotilla.drift.comparing import Comparing, Suspect
from flotilla.drift.fights import Turns, fight, with_fights
from flotilla.drift.findings import DriftReport, Finding, Layer, Remedy
from flotilla.karmada.unspread import meant_to_spread
from flotilla.kube.ownership import writer_of_change
from tests.unit.copies import MESH, Serving, deployment, nested, pod, web, widget

KARMADA, OTHER = "karmada-controller-manager", "mesh-operator"


def state(generation, container=None, *, image="web:1", **more):
    """Return a copy as Karmada writes it, or as another manager overwrites it."""
    containers = [web(image=image), *([container] if container else [])]
    obj = deployment(pod(*containers))
    image_path = nested("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"web"}', "f:image")
    mesh_path = nested("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"mesh"}', "f:image")
    time = more.pop("time", "2026-01-01T00:00:00Z")
    ours, theirs = [{"manager": m, "operation": "Update", "time": time, "fieldsV1": {}} for m in (KARMADA, OTHER)]
    ours["fieldsV1"] = image_path if image == "web:1" else {"f:spec": {}}
    theirs["fieldsV1"] = mesh_path if container else image_path
    other = container or image != "web:1"
    fields = [ours, *([theirs] if other else [])]
    obj["metadata"] |= {"generation": generation, "managedFields": fields, "resourceVersion": str(generation), **more}
    obj["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    return obj


def turns(*states):
    found = Turns(states[0])
    for one in states[1:]:
        found.add(one)
    return found


@pytest.mark.parametrize(
    ("states", "path"),
    [
        ([state(1), state(2, MESH), state(3), state(4, MESH)], "spec.template.spec.containers[mesh]"),
        ([state(2, MESH), state(3), state(4, MESH), state(5)], "spec.template.spec.containers[mesh]"),
        (
            [state(1), state(2, image="web:2"), state(3), state(4, image="web:3"), state(5)],
            "spec.template.spec.containers[web].image",
        ),
    ],
)
def test_two_managers_that_overwrite_a_field_in_turn_are_a_fight(states, path):
    found = turns(*states)
    assert [one.text for one in found.fought] == [path]
    assert sorted(found.writers) == [KARMADA, OTHER]
    finding = fight("member1", Layer.MEMBERS, found)
    assert (finding.rule, finding.remedy, finding.path) == ("two-owners", Remedy.MANUAL, path)
    assert f"two owners fight over {path}" in finding.message
    assert KARMADA in finding.message
    assert OTHER in finding.message
    assert "ResourceInterpreterCustomization" in finding.message


@pytest.mark.parametrize(
    "states",
    [
        [state(1), state(2, MESH), state(3)],  # one manual change, which Karmada reverts
        [state(n, image=f"web:{n}") for n in range(1, 8)],  # a rollout in steps
        [state(1), state(1), state(1)],
        [{**state(1), "status": {"replicas": n % 2}} for n in range(8)],  # a rollout in progress
    ],
)
def test_single_reverted_changes_steps_and_statuses_are_no_fight(states):
    assert turns(*states).fought == []


def test_writer_is_known_although_all_managers_wrote_in_the_same_second():
    assert writer_of_change(state(1), state(2, image="web:2")).manager == OTHER
    assert writer_of_change(state(2, image="web:2"), state(3)).manager == KARMADA
    assert writer_of_change(state(2, MESH), state(3)).manager == KARMADA, "it only took away what the other had added"


class Watched:
    """A member with an object that changes while it is watched."""

    name = "member1"

    def __init__(self, *states, date=""):
        self.states, self.watches, self.traffic = list(states), [], SimpleNamespace(date=date)

    def find(self, _ref):
        return self.states[0]

    def watch(self, _api_version, _kind, *, resource_version, fields, seconds, namespace=None):
        self.watches.append((resource_version, fields, namespace, seconds))
        for one in self.states[1:] if len(self.watches) == 1 else []:
            yield {"type": "MODIFIED", "object": one}


def test_fight_replaces_the_finding_of_the_same_field():
    """Regression: the finding said that Karmada reverts the change, but another manager writes it again at once."""
    states = [state(4), state(5, image="web:2"), state(6), state(7, image="web:2")]
    member = Watched(*states)
    same = Finding(
        Layer.MEMBERS,
        "copy-changed",
        "member1",
        "Deployment default/web",
        "x",
        "spec.template.spec.containers[web].image",
    )
    other = Finding(Layer.MEMBERS, "copy-changed", "member1", "Deployment default/web", "x", "spec.paused")
    report = with_fights(
        DriftReport((same, other)), {"member1": [Suspect(Layer.MEMBERS, states[0], "x")]}, {"member1": member}
    )
    assert [(one.rule, one.path) for one in report.findings] == [
        ("copy-changed", "spec.paused"),
        ("two-owners", "spec.template.spec.containers[web].image"),
    ]
    assert member.watches == [("4", "metadata.name=web", "default", 2)]
    calm = Watched(states[0])
    report = with_fights(DriftReport(), {"member1": [Suspect(Layer.MEMBERS, states[0], "x")]}, {"member1": calm})
    assert (report.findings, len(calm.watches)) == ((), 1), "an object at rest is watched for the short time alone"


def test_number_of_watched_objects_per_cluster_is_bounded():
    member = Watched(state(4))
    suspects = [Suspect(Layer.MEMBERS, state(4), f"2026-01-01T00:00:{n:02}Z") for n in range(30)]
    with_fights(DriftReport(), {"member1": suspects}, {"member1": member})
    assert len(member.watches) == 4


@pytest.mark.parametrize(
    ("generation", "age", "watched"), [(4, 3, True), (40, 9, True), (3, 3, False), (40, 60, False), (None, 3, True)]
)
def test_objects_with_several_recent_writes_are_watched(generation, age, watched):
    """The time is the cluster's own, which may differ from this machine's."""
    now = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
    written = (now - dt.timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    live = state(generation, time=written)
    comparing = Comparing(Watched(live, date=now.strftime("%a, %d %b %Y %H:%M:%S GMT")))
    comparing.differences(Layer.MEMBERS, live, live)
    assert bool(comparing.suspects) is watched
    live["metadata"]["creationTimestamp"] = written
    first = Comparing(comparing._connection)
    first.differences(Layer.MEMBERS, live, live)
    assert first.suspects == [], "one that was only created is at its first value"


# -- autoscalers ----------------------------------------------------------------------------------


def scaler(name="web", kind="Deployment"):
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    meta = {"name": "scaler", "namespace": "default"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta,
        "spec": {"scaleTargetRef": target},
    }


def test_member_autoscaler_of_replicas_that_karmada_sets_is_a_second_owner():
    sent = {**deployment(pod(web())), "spec": {"replicas": 2}}
    (one,) = find_autoscaled(Serving(None, scalers=[scaler(), scaler("other")]), "member1", [sent])
    assert (one.rule, one.path, one.pointer, one.remedy) == (
        "two-owners",
        "spec.replicas",
        "/spec/replicas",
        Remedy.MANUAL,
    )
    assert "HorizontalPodAutoscaler default/scaler in the member and Karmada both set spec.replicas" in one.message
    assert "autoscaled: true" in one.message
    labels = {"resourcetemplate.karmada.io/retain-replicas": "true"}
    own = {**sent, "metadata": {**sent["metadata"], "labels": labels}}
    assert find_autoscaled(Serving(None, scalers=[scaler()]), "member1", [own]) == []
    assert find_autoscaled(Serving(None, scalers=None), "member1", [sent]) == []
    assert find_autoscaled(Serving(None, scalers=[scaler()]), "member1", [widget()]) == []


# -- objects that every control plane creates --------------------------------------------------------


DEFINITIONS = "apiextensions.k8s.io/v1"


def listed(api_version, kind, name, namespace="", **more):
    meta = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("meta", {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **more}


def labels(key, value):
    return {"meta": {"labels": {key: value}}}


@pytest.mark.parametrize(
    "obj",
    [
        listed("v1", "Service", "kubernetes", "default"),
        listed("v1", "Endpoints", "kubernetes", "default"),
        listed("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", "default"),
        listed(
            "discovery.k8s.io/v1", "EndpointSlice", "a", "b", **labels("endpointslice.kubernetes.io/managed-by", "x")
        ),
        listed("v1", "ConfigMap", "kube-root-ca.crt", "any"),
        listed("v1", "ServiceAccount", "default", "any"),
        listed(DEFINITIONS, "CustomResourceDefinition", "works.work.karmada.io", spec={"group": "work.karmada.io"}),
        listed("v1", "Secret", "x", "default", **labels("karmada.io/system", "true")),
        listed("apps/v1", "ReplicaSet", "r", "default", meta={"ownerReferences": [{"controller": True}]}),
    ],
    ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}",
)
def test_objects_created_by_the_api_server_and_karmada_are_no_unclaimed_templates(obj):
    assert not meant_to_spread(obj)


@pytest.mark.parametrize(
    "obj",
    [
        listed("v1", "Service", "kubernetes", "other"),
        listed("v1", "Service", "web", "default"),
        listed(DEFINITIONS, "CustomResourceDefinition", "w.example.org", spec={"group": "example.org"}),
        listed("v1", "Secret", "x", "default", **labels("karmada.io/system", "false")),
        listed("apps/v1", "ReplicaSet", "r", "default", meta={"ownerReferences": [{"name": "not a controller"}]}),
    ],
    ids=lambda obj: f"{obj['kind']} {obj['metadata']['name']}",
)
def test_object_that_somebody_may_have_created_for_members_is_an_unclaimed_template(obj):
    assert meant_to_spread(obj)
