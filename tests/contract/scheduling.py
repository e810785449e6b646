"""Which clusters Karmada chooses, with how many replicas, and which policy decides.

The cases run unchanged on real Karmada and on the stand-in.
"""

import uuid

import pytest

from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.kube.objects import ObjectRef, ref_of
from tests.contract.karmada import MEMBERS, bound, eventually, reported, selector, web

BOTH = {"clusterAffinity": {"clusterNames": list(MEMBERS)}}
MEMBER1 = ObjectRef(CLUSTER_API, "Cluster", "member1")


def only(member):
    return {"clusterAffinity": {"clusterNames": [member]}}


def divided(preference, **weights):
    scheduling = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": preference, **weights}
    return {**BOTH, "replicaScheduling": scheduling}


@pytest.fixture
def cluster_wide(karmada):
    """Create cluster-wide policies, and delete them at the end."""
    made = []

    def make(kind, spec):
        name = f"case-{uuid.uuid4().hex[:6]}"
        made.append(karmada.make({"apiVersion": POLICY_API, "kind": kind, "metadata": {"name": name}, "spec": spec}))

    yield make
    for obj in made:
        karmada.api.delete(ref_of(obj))


def test_dynamic_weights_follow_the_free_capacity(karmada, namespace):
    """docs: user guide, propagation policy, dynamicWeight; both members have the same capacity"""
    template = karmada.make(web(namespace, replicas=4))
    placement = divided("Weighted", weightPreference={"dynamicWeight": "AvailableReplicas"})
    karmada.policy("p", namespace, [selector(template)], placement)
    eventually(lambda: bound(karmada, template) == {"member1": 2, "member2": 2})


def test_aggregated_division_uses_as_few_clusters_as_possible(karmada, namespace):
    """docs: user guide, propagation policy, Aggregated"""
    template = karmada.make(web(namespace, replicas=4))
    karmada.policy("p", namespace, [selector(template)], divided("Aggregated"))
    assert list(eventually(lambda: bound(karmada, template)).values()) == [4]


@pytest.mark.parametrize(("most", "chosen"), [(1, 1), (2, 2)])
def test_spread_by_cluster_has_an_upper_bound(karmada, namespace, most, chosen):
    """docs: user guide, propagation policy, spreadConstraints"""
    template = karmada.make(web(namespace))
    constraint = {"spreadByField": "cluster", "minGroups": 1, "maxGroups": most}
    karmada.policy("p", namespace, [selector(template)], {**BOTH, "spreadConstraints": [constraint]})
    assert len(eventually(lambda: bound(karmada, template))) == chosen


def test_spread_by_cluster_has_a_lower_bound(karmada, namespace):
    """docs: user guide, propagation policy, spreadConstraints"""
    template, probe = karmada.make(web(namespace)), karmada.make(web(namespace, name="probe"))
    constraint = {"spreadByField": "cluster", "minGroups": 3, "maxGroups": 3}
    karmada.policy("p", namespace, [selector(template)], {**BOTH, "spreadConstraints": [constraint]})
    karmada.policy("probe", namespace, [selector(probe)], BOTH)
    eventually(lambda: bound(karmada, probe))
    assert bound(karmada, template) == {}


def test_a_taint_excludes_a_cluster_unless_the_policy_tolerates_it(karmada, namespace):
    """docs: user guide, propagation policy, clusterTolerations"""
    taint = {"key": "site.example/reserved", "value": "yes", "effect": "NoSchedule"}
    karmada.api.patch(MEMBER1, {"spec": {"taints": [taint]}})
    try:
        kept_out, let_in = karmada.make(web(namespace)), karmada.make(web(namespace, name="tolerant"))
        karmada.policy("p", namespace, [selector(kept_out)], BOTH)
        toleration = {"key": taint["key"], "operator": "Equal", "value": "yes", "effect": "NoSchedule"}
        karmada.policy("t", namespace, [selector(let_in)], {**BOTH, "clusterTolerations": [toleration]})
        eventually(lambda: set(bound(karmada, let_in)) == set(MEMBERS))
        eventually(lambda: set(bound(karmada, kept_out)) == {"member2"})
    finally:
        karmada.api.patch(MEMBER1, {"spec": {"taints": None}})


@pytest.fixture
def tainted(karmada):
    """Taint member1, and remove the taint at the end."""

    def taint(effect):
        karmada.api.patch(MEMBER1, {"spec": {"taints": [{"key": "site.example/shut", "effect": effect}]}})

    yield taint
    karmada.api.patch(MEMBER1, {"spec": {"taints": None}})


@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
def test_a_taint_moves_all_divided_replicas_to_the_other_clusters(karmada, namespace, tainted, effect):
    """docs: user guide, scheduling, taints and tolerations; both effects exclude the cluster for new workloads"""
    tainted(effect)
    template = karmada.make(web(namespace, replicas=6))
    karmada.policy("p", namespace, [selector(template)], divided("Weighted"))
    eventually(lambda: bound(karmada, template) == {"member2": 6})


def test_a_no_schedule_taint_leaves_replicas_that_are_already_there(karmada, namespace, tainted):
    """docs: user guide, scheduling, NoSchedule; for a cluster that has the workload, the scheduler ignores the taint"""
    template = karmada.make(web(namespace, replicas=2))
    karmada.policy("p", namespace, [selector(template)], divided("Weighted"))
    eventually(lambda: bound(karmada, template) == {"member1": 1, "member2": 1})
    tainted("NoSchedule")
    karmada.api.patch(ref_of(template), {"spec": {"replicas": 4}})
    eventually(lambda: bound(karmada, template) == {"member1": 2, "member2": 2})


def test_a_toleration_with_exists_and_no_effect_tolerates_every_effect(karmada, namespace, tainted):
    """docs: core/v1, Toleration; an empty effect stands for every effect"""
    tainted("NoExecute")
    template = karmada.make(web(namespace))
    toleration = {"key": "site.example/shut", "operator": "Exists"}
    karmada.policy("p", namespace, [selector(template)], {**BOTH, "clusterTolerations": [toleration]})
    eventually(lambda: set(bound(karmada, template)) == set(MEMBERS))


def test_a_changed_label_of_a_cluster_causes_scheduling_again(karmada, namespace):
    """docs: user guide, propagation policy, labelSelector; the scheduler follows changes of Clusters"""
    template = karmada.make(web(namespace))
    chosen = {"clusterAffinity": {"labelSelector": {"matchLabels": {"site": "edge"}}}}
    karmada.policy("p", namespace, [selector(template)], chosen)
    eventually(lambda: set(bound(karmada, template)) == {"member2"})
    karmada.api.patch(MEMBER1, {"metadata": {"labels": {"site": "edge"}}})
    try:
        eventually(lambda: set(bound(karmada, template)) == set(MEMBERS))
        eventually(lambda: reported(karmada, template) == set(MEMBERS))
    finally:
        karmada.api.patch(MEMBER1, {"metadata": {"labels": {"site": "core"}}})
    eventually(lambda: set(bound(karmada, template)) == {"member2"})


def test_a_policy_of_the_namespace_precedes_a_cluster_wide_one(karmada, namespace, cluster_wide):
    """docs: user guide, propagation policy, priority between PropagationPolicy and ClusterPropagationPolicy"""
    template, probe = web(namespace), web(namespace, name="probe")
    selectors = [{**selector(one), "namespace": namespace} for one in (template, probe)]
    karmada.policy("p", namespace, selectors[:1], only("member2"), priority=0)
    cluster_wide(
        "ClusterPropagationPolicy", {"resourceSelectors": selectors, "placement": only("member1"), "priority": 9}
    )
    karmada.make(probe)
    eventually(lambda: set(bound(karmada, probe)) == {"member1"})
    karmada.make(template)
    eventually(lambda: set(bound(karmada, template)) == {"member2"})


@pytest.mark.parametrize(("preemption", "holder"), [("Never", "member1"), ("Always", "member2")])
def test_a_later_policy_takes_over_only_where_it_preempts(karmada, namespace, preemption, holder):
    """docs: user guide, propagation policy, preemption"""
    template = karmada.make(web(namespace))
    karmada.policy("first", namespace, [selector(template)], only("member1"), priority=1)
    eventually(lambda: reported(karmada, template) == {"member1"})
    probe = karmada.make(web(namespace, name="probe"))
    karmada.policy(
        "second",
        namespace,
        [selector(template), selector(probe)],
        only("member2"),
        priority=2,
        preemption=preemption,
    )
    eventually(lambda: set(bound(karmada, probe)) == {"member2"})
    eventually(lambda: set(bound(karmada, template)) == {holder})


def test_overrides_of_the_namespace_apply_after_cluster_wide_ones(karmada, namespace, cluster_wide):
    """docs: user guide, override policy, order"""
    template = karmada.make(web(namespace))

    def labelled(value):
        overriders = {"labelsOverrider": [{"operator": "add", "value": {"by": value, f"by-{value}": "yes"}}]}
        chosen = [{**selector(template), "namespace": namespace}]
        return {"resourceSelectors": chosen, "overrideRules": [{"overriders": overriders}]}

    meta = {"name": "o", "namespace": namespace}
    karmada.make({"apiVersion": POLICY_API, "kind": "OverridePolicy", "metadata": meta, "spec": labelled("namespace")})
    cluster_wide("ClusterOverridePolicy", labelled("cluster"))
    karmada.policy("p", namespace, [selector(template)], only("member1"))

    def labels():
        return (karmada.in_member("member1", ref_of(template)) or {}).get("metadata", {}).get("labels") or {}

    eventually(lambda: {"by-cluster", "by-namespace"} <= set(labels()))
    assert labels()["by"] == "namespace"


def test_a_cluster_wide_policy_sends_objects_without_a_namespace(karmada, cluster_wide):
    """docs: user guide, propagation policy, ClusterPropagationPolicy"""
    name = f"case-{uuid.uuid4().hex[:6]}"
    role = karmada.make(
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}
    )
    cluster_wide("ClusterPropagationPolicy", {"resourceSelectors": [selector(role)], "placement": only("member1")})
    eventually(lambda: karmada.in_member("member1", ref_of(role)))
    assert karmada.in_member("member2", ref_of(role)) is None
    karmada.api.delete(ref_of(role))
    eventually(lambda: karmada.in_member("member1", ref_of(role)) is None)


def test_the_status_of_a_cluster_lists_the_kinds_that_it_serves(karmada):
    """recorded: clusters"""
    enabled = karmada.api.get(MEMBER1)["status"]["apiEnablements"]
    kinds = {(one["groupVersion"], kind["kind"]) for one in enabled for kind in one["resources"]}
    assert {("apps/v1", "Deployment"), ("v1", "ConfigMap")} <= kinds
