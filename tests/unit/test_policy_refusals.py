"""Keys of a workload that are refused by name, with what Karmada would do with them."""

import json

import pytest

from flotilla.stack.problems import ConfigError

REFUSED = [
    (
        {"placement": {"groups": [{"name": "a"}], "clusters": ["member1"]}},
        "placement",
        "has 'groups' beside 'clusters'",
    ),
    ({"placement": {"groups": [{"name": "a"}, {"name": "a"}]}}, "placement", "two groups of the name 'a'"),
    ({"placement": {"groups": [{"name": "a b"}]}}, "placement.groups[0].name", "must be a name"),
    ({"placement": {"groups": [{"name": "a" * 33}]}}, "placement.groups[0].name", "at most 32"),
    (
        {"placement": {"groups": [{"name": "a", "regions": ["eu"], "overflow": [{"name": "b"}]}]}},
        "placement",
        "not divided by capacity",
    ),
    (
        {"placement": {"replicas": "aggregated", "groups": [{"name": "a", "overflow": [{"name": "b"}]}]}},
        "placement.groups[0]",
        "chooses every cluster",
    ),
    (
        {
            "placement": {
                "replicas": "aggregated",
                "groups": [{"name": "a", "regions": ["eu"], "overflow": [{"name": "a"}]}],
            }
        },
        "placement.groups[0]",
        "two groups of the name 'a'",
    ),
    ({"placement": {"groups": [{"name": "a", "regions": ["mars"]}]}}, "placement.groups[0]", "chooses no member"),
    ({"placement": {"groups": [{"name": "a", "clusters": ["x"]}]}}, "placement.groups[0].clusters[0]", "not a member"),
    (
        {"placement": {"labelExpressions": [{"key": "a", "operator": "In"}]}},
        "placement.labelExpressions[0]",
        "needs 'values'",
    ),
    (
        {"placement": {"labelExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}},
        "placement.labelExpressions[0]",
        "takes no 'values'",
    ),
    (
        {"placement": {"fieldExpressions": [{"key": "region", "operator": "Exists", "values": ["b"]}]}},
        "placement.fieldExpressions[0].operator",
        "'In' or 'NotIn'",
    ),
    (
        {"placement": {"fieldExpressions": [{"key": "name", "operator": "In", "values": ["b"]}]}},
        "placement.fieldExpressions[0].key",
        "'provider', 'region' or 'zone'",
    ),
    (
        {"placement": {"replicas": "aggregated", "weights": {"member1": 1}}},
        "placement",
        "while replicas are aggregated",
    ),
    (
        {"placement": {"dynamicWeight": "AvailableReplicas"}},
        "placement",
        "has 'dynamicWeight' while replicas are duplicated",
    ),
    (
        {"placement": {"replicas": "divided", "dynamicWeight": "AvailableReplicas", "weightRules": [{"weight": 1}]}},
        "placement",
        "has 'weightRules' beside 'dynamicWeight'",
    ),
    (
        {"placement": {"replicas": "divided", "weightRules": [{"regions": ["mars"], "weight": 1}]}},
        "placement.weightRules[0]",
        "matches no cluster",
    ),
    (
        {"placement": {"replicas": "divided", "weightRules": [{"regions": ["eu"], "weight": 1}]}},
        "placement.weights",
        "has no weight for 'member",
    ),
    ({"placement": {"spread": [{"by": "region"}]}}, "placement", "without `by: cluster`"),
    ({"placement": {"spread": [{"label": "rack"}]}}, "placement", "without `by: cluster`"),
    ({"placement": {"spread": [{"by": "cluster"}, {"by": "cluster"}]}}, "placement", "spreads by cluster twice"),
    ({"placement": {"spread": [{"by": "cluster", "label": "a"}]}}, "placement.spread[0]", "exactly one of"),
    (
        {"placement": {"spread": [{"by": "cluster", "minGroups": 3, "maxGroups": 2}]}},
        "placement.spread[0]",
        "is less than",
    ),
    ({"placement": {"spread": [{"by": "cluster", "minGroups": 4}]}}, "placement.spread[0]", "at least 4 by cluster"),
    (
        {"placement": {"spread": [{"by": "cluster"}, {"by": "provider", "minGroups": 3}]}},
        "placement.spread[1]",
        "have 2 (aws, gcp)",
    ),
    ({"placement": {"replicas": "divided", "spread": [{"by": "cluster"}]}}, "placement", "divided by static weight"),
    ({"placement": {"workloadAffinity": {}}}, "placement.workloadAffinity", "neither 'affinity' nor"),
    (
        {"placement": {"workloadAffinity": {"affinity": "a", "antiAffinity": "a"}}},
        "placement.workloadAffinity",
        "the same key for both",
    ),
    ({"failover": {}}, "failover", "neither 'application' nor 'cluster'"),
    (
        {"failover": {"application": {"purgeMode": "Never", "gracePeriod": 5}}},
        "failover.application",
        "has 'gracePeriod' with `purgeMode: Never`",
    ),
    ({"failover": {"cluster": {"purgeMode": "Never"}}}, "failover.cluster.purgeMode", "'Directly' or 'Gracefully'"),
    ({"failover": {"cluster": {"state": {"a b": "{.x}"}}}}, "failover.cluster.state", "label key 'a b' is not valid"),
    ({"failover": {"cluster": {"state": {"a": ""}}}}, "failover.cluster.state", "has no JSONPath"),
    ({"failover": {"application": {}}, "dependencies": False}, "", "has `dependencies: false`"),
    ({"suspend": "member1"}, "suspend", "must be `true`, or a list of members"),
    ({"suspend": ["member9"]}, "suspend[0]", "not a member"),
    ({"suspend": ["member2"], "placement": {"clusters": ["member1"]}}, "suspend[0]", "is suspended but"),
    ({"schedulePriority": "High!"}, "schedulePriority", "PriorityClass's name"),
    ({"priority": 2**31}, "priority", "less than or equal to"),
    ({"activation": "Eager"}, "activation", "'Lazy'"),
    ({"onRemoval": "maybe"}, "onRemoval", "'delete' or 'keep'"),
    ({"overrides": [{"labels": {"a": "b"}}]}, "overrides[0]", "exactly one of 'clusters' and 'target'"),
    (
        {"overrides": [{"clusters": ["member1"], "target": {}, "args": ["a"]}]},
        "overrides[0]",
        "exactly one of 'clusters' and",
    ),
    ({"overrides": [{"target": {}}]}, "overrides[0]", "changes nothing"),
    ({"overrides": [{"target": {"regions": ["mars"]}, "args": ["a"]}]}, "overrides[0].target", "matches no member"),
    (
        {"overrides": [{"target": {"clusters": ["x"]}, "args": ["a"]}]},
        "overrides[0].target.clusters[0]",
        "not a member",
    ),
    ({"overrides": [{"target": {}, "image": {"path": "/a"}}]}, "overrides[0].image", "changes nothing"),
    (
        {"overrides": [{"target": {}, "image": {"tag": "1", "remove": ["tag"]}}]},
        "overrides[0].image",
        "changes 'tag' twice",
    ),
    ({"overrides": [{"target": {}, "image": {"tag": "1", "path": "a.b"}}]}, "overrides[0].image.path", "write /a/b"),
    (
        {"overrides": [{"target": {}, "removeLabels": ["a b"]}]},
        "overrides[0].removeLabels[0]",
        "must be a valid label key",
    ),
    (
        {"overrides": [{"target": {}, "fields": [{"path": "/a", "format": "toml", "patches": []}]}]},
        "overrides[0].fields[0].format",
        "'json' or 'yaml'",
    ),
    (
        {"overrides": [{"target": {}, "fields": [{"path": "/a", "format": "json", "patches": []}]}]},
        "overrides[0].fields[0].patches",
        "at least 1",
    ),
]


@pytest.mark.parametrize(("keys", "path", "rule"), REFUSED, ids=[f"{path}: {rule}" for _, path, rule in REFUSED])
def test_key_that_karmada_would_refuse_or_ignore_is_refused(fleet_of, keys, path, rule):
    with pytest.raises(ConfigError) as refused:
        fleet_of(keys)
    wanted = f"workloads[0].{path}" if path else "workloads[0]"
    found = [str(problem) for problem in refused.value.problems if problem.path == wanted]
    assert any(rule in text for text in found), refused.value.problems
    assert all(problem.remedy for problem in refused.value.problems)


def test_autoscaled_workload_without_a_deployment_is_refused(fleet_of, project):
    (project / "a.yaml").write_text(
        json.dumps({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a"}, "spec": {}})
    )
    with pytest.raises(ConfigError, match="no Deployment among the manifests"):
        fleet_of({"image": None, "manifests": ["a.yaml"], "autoscaled": True})


def test_members_without_the_spread_field_are_not_called_tainted(fleet_of):
    """Regression: a message about taints, `only members with taints that it doesn't tolerate ()`, was added."""
    placement = {"spread": [{"by": "cluster"}, {"by": "region"}]}
    with pytest.raises(ConfigError) as refused:
        fleet_of({"placement": placement}, members=[{"name": "member1"}])
    (problem,) = refused.value.problems
    assert "by region, but the members that the placement chooses have 0 (none)" in problem.rule
