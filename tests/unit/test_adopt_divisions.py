"""Replicas that Karmada divided while a member was not Ready.

Regression: `up --adopt` waited until its timeout for another division.
"""

import pytest

from flotilla.adopt.divisions import stale_divisions
from flotilla.karmada.versions import Version
from tests.unit.adopting import cluster, found_of, pods

NEWEST = Version(1, 18)
WEIGHTS = [{"targetCluster": {"clusterNames": [name]}, "weight": weight} for name, weight in (("a", 3), ("b", 2))]
DIVIDED = {
    "replicaSchedulingType": "Divided",
    "replicaDivisionPreference": "Weighted",
    "weightPreference": {"staticWeightList": WEIGHTS},
}


def binding(shares, **scheduling):
    resource = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "api"}
    placement = {"clusterAffinity": {"clusterNames": ["a", "b"]}, **scheduling}
    clusters = [{"name": name, "replicas": count} for name, count in shares.items()]
    spec = {"resource": resource, "replicas": 5, "placement": placement, "clusters": clusters}
    return {"kind": "ResourceBinding", "metadata": {"name": "api-deployment"}, "spec": spec}


def findings(bound, version=NEWEST):
    enabled = [{"groupVersion": "apps/v1", "resources": [{"name": "deployments", "kind": "Deployment"}]}]
    clusters = [cluster(name) for name in ("a", "b")]
    for one in clusters:
        one["status"]["apiEnablements"] = enabled
    found = found_of([], clusters, bindings=(bound,))
    return [(one.rule, one.what, one.message) for one in stale_divisions(found, [pods("api")], version)]


def test_division_made_before_a_member_was_ready_is_found():
    ((rule, what, message),) = findings(binding({"a": 5}, replicaScheduling=DIVIDED))
    assert (rule, what) == ("division-outdated", "Deployment shop/api")
    assert "divided it as a 5, and would divide it as a 3, b 2 now" in message


@pytest.mark.parametrize(
    ("bound", "version"),
    [
        (binding({"a": 3, "b": 2}, replicaScheduling=DIVIDED), NEWEST),
        (binding({"a": 5, "b": 5}), NEWEST),
        (binding({}, replicaScheduling=DIVIDED), NEWEST),
        (binding({"a": 5}, replicaScheduling=DIVIDED), None),
    ],
)
def test_division_as_planned_or_no_division_is_no_finding(bound, version):
    assert findings(bound, version) == []
