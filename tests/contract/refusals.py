"""Objects that Karmada's admission refuses or accepts: policies, overrides, clusters, protected objects.

The cases run unchanged on real Karmada and on the stand-in. The reference of Karmada's API describes the fields; the
refusals were observed with Karmada 1.18.
"""

import uuid

import pytest

from flotilla.karmada.objects import CLUSTER_API, POLICY_API
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ObjectRef, ref_of
from tests.contract.karmada import MANAGER, MEMBERS, eventually, require_newest, selector, web


@pytest.fixture(scope="module")
def namespace_of_refusals(karmada):
    """A namespace in the control plane only, for objects that no member gets."""
    name = f"refusals-{uuid.uuid4().hex[:6]}"
    label = {"namespace.karmada.io/skip-auto-propagation": "true"}
    karmada.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": label}})
    yield name
    karmada.api.delete(ObjectRef("v1", "Namespace", name), propagation="Background")


ACCEPTED_PLACEMENT = {
    "clusterAffinity": {
        "clusterNames": list(MEMBERS),
        "fieldSelector": {"matchExpressions": [{"key": "region", "operator": "NotIn", "values": ["x"]}]},
    },
    "spreadConstraints": [
        {"spreadByField": "region", "minGroups": 1},
        {"spreadByField": "cluster", "minGroups": 1, "maxGroups": 2},
    ],
    "clusterTolerations": [{"key": "a", "operator": "Exists"}],
}
FAILOVER = {"decisionConditions": {"tolerationSeconds": 10}, "purgeMode": "Immediately"}


def by(*fields, **constraint):
    return {"placement": {"spreadConstraints": [{"spreadByField": field, **constraint} for field in fields]}}


def affinity_by(**expression):
    return {"clusterAffinity": {"fieldSelector": {"matchExpressions": [{"values": ["x"], **expression}]}}}


REFUSED_PROPAGATION = {
    "nothing-selected": {"resourceSelectors": []},
    "another-namespace": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "namespace": "default"}]},
    "preempts-without-a-name": {"preemption": "Always", "resourceSelectors": [{"apiVersion": "v1", "kind": "Secret"}]},
    "both-affinities": {"placement": {"clusterAffinity": {}, "clusterAffinities": [{"affinityName": "a"}]}},
    "one-name-twice": {"placement": {"clusterAffinities": [{"affinityName": "a"}, {"affinityName": "a"}]}},
    "affinity-name": {"placement": {"clusterAffinities": [{"affinityName": "a b"}]}},
    "field-key": {"placement": affinity_by(key="site", operator="In")},
    "field-operator": {"placement": affinity_by(key="region", operator="Exists")},
    "spread-by-both": by("cluster", spreadByLabel="site"),
    "spread-by-unknown": by("cluster", "rack"),
    "spread-twice": by("cluster", "cluster"),
    "spread-without-cluster": by("region"),
    "spread-below-zero": by("cluster", minGroups=-1),
    "spread-max-below-min": by("cluster", minGroups=2, maxGroups=1),
    "toleration-operator": {"placement": {"clusterTolerations": [{"key": "a", "operator": "Gt", "value": "1"}]}},
    "failover-without-dependencies": {"failover": {"application": FAILOVER}},
    "failover-below-zero": {
        "propagateDeps": True,
        "failover": {"application": {**FAILOVER, "decisionConditions": {"tolerationSeconds": -1}}},
    },
    "grace-without-gracefully": {
        "propagateDeps": True,
        "failover": {"application": {**FAILOVER, "gracePeriodSeconds": 5}},
    },
    "suspended-twice": {"suspension": {"dispatching": True, "dispatchingOnClusters": {"clusterNames": ["member1"]}}},
    "unknown-resolution": {"conflictResolution": "Perhaps"},
    "unknown-scheduling": {"placement": {"replicaScheduling": {"replicaSchedulingType": "Scattered"}}},
}


def refused(make):
    """Return the API server's error, which must refuse the sent object."""
    with pytest.raises(ApiError) as reported:
        make()
    assert reported.value.status in (400, 403, 422), reported.value
    return reported.value


@pytest.mark.parametrize("spec", REFUSED_PROPAGATION.values(), ids=REFUSED_PROPAGATION)
def test_karmada_refuses_an_invalid_propagation_policy(karmada, namespace_of_refusals, spec):
    """docs: reference, propagation policy; the webhook enforces what the reference describes"""
    require_newest(karmada)
    namespace = namespace_of_refusals
    complete = {"placement": {}, "resourceSelectors": [selector(web(namespace))], **spec}
    refused(lambda: karmada.policy("p", namespace, complete.pop("resourceSelectors"), **complete))


def test_karmada_accepts_a_valid_propagation_policy(karmada, namespace_of_refusals):
    """docs: reference, propagation policy"""
    require_newest(karmada)
    namespace = namespace_of_refusals
    failover = {"application": {**FAILOVER, "purgeMode": "Gracefully", "gracePeriodSeconds": 5}}
    more = {"failover": failover, "propagateDeps": True, "suspension": {"dispatching": True}}
    karmada.policy("taken", namespace, [selector(web(namespace))], ACCEPTED_PLACEMENT, **more)
    terms = [{"affinityName": "a", "clusterNames": ["member1"]}, {"affinityName": "b", "clusterNames": ["member2"]}]
    karmada.policy("terms", namespace, [selector(web(namespace))], {"clusterAffinities": terms})


def test_karmada_refuses_to_change_the_scheduler_and_the_permanent_id_of_a_policy(karmada, namespace_of_refusals):
    """docs: reference, propagation policy, schedulerName"""
    namespace = namespace_of_refusals
    made = karmada.policy("kept", namespace, [selector(web(namespace))], {})
    key = "propagationpolicy.karmada.io/permanent-id"
    eventually(lambda: (karmada.api.get(ref_of(made))["metadata"].get("labels") or {}).get(key))
    for change in ({"spec": {"schedulerName": "mine"}}, {"metadata": {"labels": {key: "mine"}}}):
        refused(lambda change=change: karmada.api.patch(ref_of(made), change))


def field(**overrider):
    return {"fieldOverrider": [{"fieldPath": "/data/x", **overrider}]}


REPLACE = {"subPath": "/a", "operator": "replace", "value": 1}
RULE = {"overriders": {"plaintext": [{"path": "/a", "operator": "remove"}]}}
REFUSED_OVERRIDES = {
    "rules-and-target": {"overrideRules": [RULE], "targetCluster": {"clusterNames": ["member1"]}},
    "rules-and-overriders": {"overrideRules": [RULE], "overriders": RULE["overriders"]},
    "target-field": {"overrideRules": [{"targetCluster": affinity_by(key="site", operator="In")["clusterAffinity"]}]},
    "label": {"labelsOverrider": [{"operator": "add", "value": {"a": "not a label"}}]},
    "annotation": {"annotationsOverrider": [{"operator": "add", "value": {"a b": "c"}}]},
    "image-path": {
        "imageOverrider": [{"predicate": {"path": "a"}, "component": "Tag", "operator": "replace", "value": "1"}]
    },
    "neither-json-nor-yaml": field(),
    "both-json-and-yaml": field(json=[REPLACE], yaml=[REPLACE]),
    "field-path": field(fieldPath="data", json=[REPLACE]),
    "sub-path": field(json=[{**REPLACE, "subPath": "a"}]),
    "add-without-value": field(json=[{"subPath": "/a", "operator": "add"}]),
    "remove-with-value": field(json=[{**REPLACE, "operator": "remove"}]),
}


def override(namespace, spec):
    whole = spec if "overrideRules" in spec else {"overrideRules": [{"overriders": spec}]}
    return {
        "apiVersion": POLICY_API,
        "kind": "OverridePolicy",
        "metadata": {"name": "o", "namespace": namespace},
        "spec": {"resourceSelectors": [selector(web(namespace))], **whole},
    }


@pytest.mark.parametrize("spec", REFUSED_OVERRIDES.values(), ids=REFUSED_OVERRIDES)
def test_karmada_refuses_an_invalid_override_policy(karmada, namespace_of_refusals, spec):
    """docs: reference, override policy"""
    require_newest(karmada)
    refused(lambda: karmada.make(override(namespace_of_refusals, spec)))


def test_karmada_accepts_a_valid_override_policy(karmada, namespace_of_refusals):
    """docs: reference, override policy"""
    require_newest(karmada)
    removal = {"subPath": "/b", "operator": "remove"}
    overriders = {
        **field(yaml=[REPLACE, removal]),
        "labelsOverrider": [{"operator": "add", "value": {"a.example/b": "c"}}],
        "annotationsOverrider": [{"operator": "add", "value": {"A.example/b": "any text"}}],
    }
    karmada.make(override(namespace_of_refusals, overriders))


REFUSED_CLUSTERS = {
    "long-name": ("m" * 49, {}),
    "dotted-name": ("member.9", {}),
    "no-mode": ("member9", {"syncMode": None}),
    "unknown-mode": ("member9", {"syncMode": "Both"}),
    "endpoint-without-scheme": ("member9", {"apiEndpoint": "10.0.0.1:6443"}),
    "endpoint-without-host": ("member9", {"apiEndpoint": "https://"}),
    "endpoint-with-user": ("member9", {"apiEndpoint": "https://me@10.0.0.1"}),
    "endpoint-with-query": ("member9", {"apiEndpoint": "https://10.0.0.1?a=b"}),
    "secret-without-namespace": ("member9", {"secretRef": {"namespace": "", "name": "a"}}),
    "proxy": ("member9", {"proxyURL": "ftp://10.0.0.1"}),
    "provider": ("member9", {"provider": "not a label"}),
    "region": ("member9", {"region": "not a label"}),
    "zone-and-zones": ("member9", {"zone": "a", "zones": ["b"]}),
    "taint-effect": ("member9", {"taints": [{"key": "a", "effect": "Sometimes"}]}),
    "taint-key": ("member9", {"taints": [{"key": "a b", "effect": "NoSchedule"}]}),
}


@pytest.mark.parametrize(("name", "spec"), REFUSED_CLUSTERS.values(), ids=REFUSED_CLUSTERS)
def test_karmada_refuses_an_invalid_cluster(karmada, name, spec):
    """docs: reference, cluster"""
    whole = {key: value for key, value in {"syncMode": "Push", **spec}.items() if value is not None}
    body = {"apiVersion": CLUSTER_API, "kind": "Cluster", "metadata": {"name": name}, "spec": whole}
    refused(lambda: karmada.api.create(body, field_manager=MANAGER, dry_run=True))


def test_karmada_refuses_to_delete_a_protected_template(karmada, namespace_of_refusals):
    """docs: user guide, resource deletion protection"""
    label = "resourcetemplate.karmada.io/deletion-protected"
    body = {"apiVersion": "v1", "kind": "ConfigMap"}
    body["metadata"] = {"name": "kept", "namespace": namespace_of_refusals, "labels": {label: "Always"}}
    ref = ref_of(karmada.make(body))
    refused(lambda: karmada.api.delete(ref))
    karmada.api.patch(ref, {"metadata": {"labels": {label: None}}})
    karmada.api.delete(ref)
