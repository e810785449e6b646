"""Texts for what a copy lacks, and kinds whose health depends on a controller that may be missing."""

import pytest

from flotilla.karmada.kinds import kind_of
from flotilla.karmada.objects import ResourceBinding
from flotilla.karmada.status.lacking import lacking, needs_server, served
from flotilla.karmada.status.reasons import reasons
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.texts import WaitTexts, unserved_text, waiting_text
from flotilla.kube.objects import ref_of
from flotilla.observe.workloads import copies_of
from flotilla.sandbox.standin.interpreters import collected_status, health
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, live, work

ADDRESS = {"loadBalancer": {"ingress": [{"ip": "10.0.0.1"}]}}
NO_ADDRESS = "no load balancer address yet"


def obj(api_version, kind, name="web", **spec):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


SERVICE = obj("v1", "Service", type="LoadBalancer")
INGRESS = obj("networking.k8s.io/v1", "Ingress", ingressClassName="nginx")
CLAIM = obj("v1", "PersistentVolumeClaim", storageClassName="quick")
BUDGET = obj("policy/v1", "PodDisruptionBudget", minAvailable=1)
DEPLOYMENT = obj("apps/v1", "Deployment", replicas=3)
DAEMONS = obj("apps/v1", "DaemonSet")
SERVED = (SERVICE, INGRESS, CLAIM, BUDGET)


@pytest.mark.parametrize(
    ("sent", "status", "replicas", "text"),
    [
        (SERVICE, {"loadBalancer": {}}, None, NO_ADDRESS),
        (INGRESS, {}, None, "no controller has given it an address yet"),
        (CLAIM, {"phase": "Pending"}, None, "Pending, no volume is bound to it yet (storage class quick)"),
        (CLAIM, {"phase": "Lost"}, None, "Lost, no volume is bound to it yet (storage class quick)"),
        (
            obj("v1", "PersistentVolumeClaim"),
            {},
            None,
            "Pending, no volume is bound to it yet (the default storage class)",
        ),
        (BUDGET, {"desiredHealthy": 1}, None, "0 of the 1 pod that it wants healthy"),
        (DEPLOYMENT, {"replicas": 3, "readyReplicas": 1, "updatedReplicas": 3}, 3, "1 of 3 replicas ready"),
        (DEPLOYMENT, {"readyReplicas": 2}, 2, "0 of 2 replicas updated"),
        (
            DEPLOYMENT,
            {"readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 1},
            2,
            "1 of 2 replicas available",
        ),
        (
            DEPLOYMENT,
            {"readyReplicas": 2, "updatedReplicas": 2, "availableReplicas": 2},
            2,
            "its controller has not seen the change yet",
        ),
        (DAEMONS, {"desiredNumberScheduled": 3, "numberReady": 2}, None, "2 of 3 pods ready"),
        (DAEMONS, {"desiredNumberScheduled": 3, "numberReady": 3}, None, "0 of 3 pods updated"),
        (obj("v1", "Pod"), {"phase": "Pending"}, None, "the pod is Pending"),
        (
            obj("example.org/v1", "Widget"),
            {"conditions": [{"type": "Ready", "status": "False", "reason": "No"}]},
            None,
            "Ready is False: No",
        ),
        (obj("example.org/v1", "Widget"), {"conditions": ["odd"]}, None, ""),
        (obj("apps.kruise.io/v1alpha1", "CloneSet"), {"readyReplicas": 1}, 3, "1 of 3 replicas ready"),
    ],
)
def test_text_says_what_a_copy_lacks(sent, status, replicas, text):
    """Regression: the reason was `unhealthy`, or `2 of 2 replicas ready` where only old replicas were ready."""
    assert lacking(kind_of(sent), sent, status, replicas) == text


@pytest.mark.parametrize(
    ("sent", "needs"), [*((one, True) for one in SERVED), (DEPLOYMENT, False), (obj("v1", "Service"), False)]
)
def test_only_some_kinds_need_a_controller_for_their_health(sent, needs):
    assert needs_server(kind_of(sent), sent) is needs


# -- a rollout --------------------------------------------------------------------------------------------------------


def reported(template, **statuses):
    """Return the state of a template in m0 and m1; clusters without a status are healthy."""
    names = ["m0", "m1"]
    bound = binding(template, names)
    bound["spec"]["clusters"] = [{"name": name} for name in names]
    bound["metadata"]["name"] = f"{template['metadata']['name']}-{template['kind'].lower()}"
    identity = f"id-{template['kind']}-{template['metadata']['name']}"
    bound["metadata"]["labels"]["resourcebinding.karmada.io/permanent-id"] = identity
    bound["status"]["aggregatedStatus"] = [
        {"clusterName": name, "applied": True, "health": "Unhealthy" if name in statuses else "Healthy"}
        | {"status": statuses.get(name, ADDRESS)}
        for name in names
    ]
    works = [work(template, name, identity=identity) for name in names]
    for one in works:
        one["metadata"]["name"] = f"{identity.lower()}-1"
    return [live(template), bound, *works]


def check_template(template, *others, ready=None, **statuses):
    plane = Plane(cluster("m0"), cluster("m1"), *reported(template, **statuses), *others)
    return check_once(RolloutCheck([template], EVERYWHERE, [], ready=ready or {}), plane)


@pytest.mark.parametrize("template", SERVED, ids=lambda one: one["kind"])
def test_object_that_no_controller_serves_is_not_waited_for_without_end(template):
    (progress,) = check_template(template, m1={})
    assert (progress.done, progress.settled, progress.done_where_answered) == (False, True, True)
    assert list(progress.unserved) == ["m1"]
    assert "m1: " in str(progress)


@pytest.mark.parametrize("template", SERVED, ids=lambda one: one["kind"])
def test_object_with_a_readiness_rule_is_waited_for(template):
    (progress,) = check_template(template, ready={template["kind"]: "healthy"}, m1={})
    assert (progress.settled, progress.done_where_answered, progress.unserved) == (False, False, {})


def test_cluster_that_serves_another_object_of_the_kind_is_waited_for():
    """The cluster has a load balancer, so a Service without an address is an error."""
    own = {**SERVICE, "metadata": {"name": "web", "namespace": "default"}}
    other = {**SERVICE, "metadata": {"name": "other", "namespace": "default"}}
    objects = [*reported(own, m0={}, m1={}), *reported(other, m1={}), cluster("m0"), cluster("m1")]
    check = RolloutCheck([own, other], EVERYWHERE, [])
    first, second = check_once(check, Plane(*objects))
    assert {one.cluster: one.waiting_for for one in first.clusters} == {
        "m0": f"{NO_ADDRESS} (Service default/other has one there)",
        "m1": "",
    }
    assert (first.unserved, second.unserved) == ({"m1": NO_ADDRESS}, {"m1": NO_ADDRESS})


def test_copy_that_is_not_applied_is_waited_for_whoever_serves_it():
    objects = reported(SERVICE, m1={})
    objects[1]["status"]["aggregatedStatus"][1] |= {"applied": False, "appliedMessage": "denied"}
    (progress,) = check_once(RolloutCheck([SERVICE], EVERYWHERE, []), Plane(cluster("m0"), cluster("m1"), *objects))
    assert (progress.unserved, progress.settled) == ({}, False)


def test_only_services_and_ingresses_show_that_a_controller_serves_them():
    views = [ResourceBinding.read(reported(one, m1={})[1]) for one in (SERVICE, INGRESS, CLAIM)]
    assert {name: sorted(kind for _, kind in kinds) for name, kinds in served(views).items()} == {
        "m0": ["Ingress", "Service"]
    }


# -- lines ------------------------------------------------------------------------------------------------------------


def test_clusters_that_lack_the_same_are_named_in_one_line():
    both, one = check_template(SERVICE, m0={}, m1={}), check_template(INGRESS, m1={})
    text = waiting_text([*both, *one])
    assert text == (
        f"m0, m1: Service default/web: {NO_ADDRESS}; m1: Ingress default/web: no controller has given it an address yet"
    )
    assert unserved_text([*both, *one]) == text
    many = waiting_text(
        check_template({**CLAIM, "metadata": {"name": f"c{n}", "namespace": "default"}}, m1={})[0] for n in range(9)
    )
    assert many.endswith("; and 5 more")


def test_progress_line_is_printed_on_changes_and_not_too_often():
    said = []
    texts = WaitTexts("web", said.append)
    for seconds, text in [(0, "a"), (2, "a"), (3, "a"), (4, "b"), (7, "b"), (8, "b"), (9, "b"), (60, "b"), (61, "")]:
        texts.waiting(text, seconds)
    assert said == ["rollout of web waits for a", "rollout of web waits for b"]


# -- looks ------------------------------------------------------------------------------------------------------------


def test_status_shows_the_same_text_for_an_unhealthy_copy():
    copies = copies_of(Plane(*reported(SERVICE, m1={})))
    assert {copy.cluster: (copy.health, copy.reason) for copy in copies} == {
        "m0": ("Healthy", ""),
        "m1": ("Unhealthy", NO_ADDRESS),
    }


@pytest.mark.parametrize(
    ("live_object", "api_version", "kind", "name"),
    [
        (INGRESS, "networking.k8s.io/v1", "IngressClass", "nginx"),
        (CLAIM, "storage.k8s.io/v1", "StorageClass", "quick"),
    ],
)
def test_class_that_the_member_does_not_have_is_named(live_object, api_version, kind, name):
    assert reasons(Plane(live_object), ref_of(live_object)) == [f"there is no {kind} {name} in the cluster"]
    made = {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}}
    assert reasons(Plane(live_object, made), ref_of(live_object)) == []
    without = {**live_object, "spec": {}}
    assert reasons(Plane(without), ref_of(without)) == []


# -- the stand-in -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "status", "judged"),
    [
        (SERVICE, {"loadBalancer": {}}, "Unhealthy"),
        (SERVICE, {"loadBalancer": {"ingress": [{"ports": []}]}}, "Unhealthy"),
        (SERVICE, ADDRESS, "Healthy"),
        (obj("v1", "Service"), {}, "Healthy"),
        (INGRESS, {}, "Unhealthy"),
        (INGRESS, ADDRESS, "Healthy"),
        (CLAIM, {"phase": "Pending"}, "Unhealthy"),
        (CLAIM, {"phase": "Bound"}, "Healthy"),
        (BUDGET, {"desiredHealthy": 1, "currentHealthy": 0}, "Unhealthy"),
        (BUDGET, {"desiredHealthy": 1, "currentHealthy": 1}, "Healthy"),
        (obj("v1", "Pod"), {"phase": "Running"}, "Unhealthy"),
        (obj("v1", "Pod"), {"phase": "Succeeded"}, "Healthy"),
        (DEPLOYMENT, {"updatedReplicas": 3, "availableReplicas": 2}, "Unhealthy"),
        (DEPLOYMENT, {"updatedReplicas": 3, "availableReplicas": 3}, "Healthy"),
        (obj("apps/v1", "StatefulSet", replicas=1), {"updatedReplicas": 1, "readyReplicas": 1}, "Unhealthy"),
        (DAEMONS, {"desiredNumberScheduled": 1, "updatedNumberScheduled": 1}, "Unhealthy"),
        (obj("apps.kruise.io/v1alpha1", "StatefulSet", replicas=1), {}, "Healthy"),
        (obj("v1", "ConfigMap"), {}, "Healthy"),
    ],
)
def test_stand_in_interprets_health_as_karmada_does(sent, status, judged):
    assert health({**sent, "status": status}) == judged


def test_stand_in_collects_the_status_that_karmada_collects():
    whole = {"conditions": [], "loadBalancer": {}, "phase": "Bound", "readyReplicas": 1}
    marked = {"metadata": {"annotations": {"resourcetemplate.karmada.io/generation": "4"}}}
    found = {one["kind"]: collected_status({**one, "status": whole}, marked) for one in (*SERVED, DEPLOYMENT)}
    assert found == {
        "Service": {"loadBalancer": {}},
        "Ingress": whole,
        "PersistentVolumeClaim": whole,
        "PodDisruptionBudget": {},
        "Deployment": {"readyReplicas": 1, "generation": None, "resourceTemplateGeneration": 4},
    }
    assert collected_status({**obj("v1", "Service"), "status": whole}, marked) == {}
