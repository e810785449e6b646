"""Cluster-wide override policies that change the labels by which policies of a namespace select.

Karmada (pkg/util/overridemanager, ApplyOverridePolicies, unchanged from 1.10 to 1.18) applies every
ClusterOverridePolicy first. It then matches OverridePolicies with the resulting object in that cluster.
"""

import random

import pytest

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.policies import ONLY_AS, Rules, apply_policies, apply_rules, rules_of_all
from flotilla.karmada.rendering.reach import Reach, reach
from flotilla.karmada.rendering.relabelling import EVERY_LABEL, relabelled_by
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.kube.objects import copied, ref_of
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.notices import notices
from tests.rendering.cases import template
from tests.rendering.overrides import override_policy
from tests.unit.test_given_policies import (
    BACK,
    EVERY_DEPLOYMENT,
    FRONT,
    given,  # noqa: F401 - a fixture
    policy,
    selector,
    to,
)
from tests.unit.test_policies import cluster, resource, statuses

ONE, TWO = ClusterFacts("member1"), ClusterFacts("member2")


def labelling(name, operator, value, *members):
    rule = {"overriders": {"labelsOverrider": [{"operator": operator, "value": value}]}}
    target = {"targetCluster": {"clusterNames": list(members)}} if members else {}
    return policy(name, [EVERY_DEPLOYMENT], "ClusterOverridePolicy", overrideRules=[{**rule, **target}])


def noting(name, selectors, value):
    rule = {"overriders": {"annotationsOverrider": [{"operator": "add", "value": {"by": value}}]}}
    one = policy(name, selectors, "OverridePolicy", overrideRules=[rule])
    return {**one, "metadata": {**one["metadata"], "namespace": "default"}}


def labelled(**labels):
    return {**EVERY_DEPLOYMENT, "labelSelector": {"matchLabels": labels}}


def within(obj):
    return {**obj, "metadata": {**obj["metadata"], "namespace": "default"}}


def notes(policies, obj, cluster):
    """Return which policy set the note last, by the rules that a plan has of the policies."""
    start = copied(within(obj))
    start["metadata"]["annotations"] = {}
    rules = Rules(rules_of_all(policies, [start]))
    return apply_rules(copied(start), cluster, rules)["metadata"]["annotations"].get("by")


def test_label_added_by_a_cluster_wide_policy_selects_in_its_clusters():
    policies = [labelling("site", "add", {"site": "edge"}, "member2"), noting("edge", [labelled(site="edge")], "edge")]
    assert [notes(policies, FRONT, cluster) for cluster in (ONE, TWO)] == [None, "edge"]


def test_label_removed_by_a_cluster_wide_policy_no_longer_selects():
    policies = [labelling("off", "remove", {"tier": ""}, "member2"), noting("tier", [labelled(tier="front")], "front")]
    assert [notes(policies, FRONT, cluster) for cluster in (ONE, TWO)] == ["front", None]


def test_policy_that_becomes_more_specific_by_a_label_applies_after_the_others():
    both = noting("a", [EVERY_DEPLOYMENT, labelled(site="edge")], "a")
    policies = [labelling("site", "add", {"site": "edge"}, "member2"), both, noting("b", [EVERY_DEPLOYMENT], "b")]
    assert [notes(policies, FRONT, cluster) for cluster in (ONE, TWO)] == ["b", "a"]


def test_policies_of_a_namespace_are_selected_before_any_of_them_applies():
    first = noting("a", [EVERY_DEPLOYMENT], "a")
    first["spec"]["overrideRules"][0]["overriders"]["labelsOverrider"] = [{"operator": "add", "value": {"site": "x"}}]
    policies = [labelling("w", "replace", {"site": "y"}), first, noting("b", [labelled(site="x")], "b")]
    assert notes(policies, FRONT, ONE) == "a"


def test_rules_have_no_selectors_if_no_such_label_changes():
    policies = [labelling("w", "add", {"other": "x"}), noting("b", [labelled(tier="front")], "b")]
    assert not any(ONLY_AS in rule for rule in rules_of_all(policies, [within(FRONT)]))


@pytest.mark.parametrize(
    ("overriders", "keys"),
    [
        ({"labelsOverrider": [{"operator": "remove", "value": {"a": ""}}]}, {"a"}),
        ({"plaintext": [{"path": "/metadata/labels/example.org~1a", "operator": "remove"}]}, {"example.org/a"}),
        ({"plaintext": [{"path": "/metadata/labels", "operator": "add", "value": {}}]}, {EVERY_LABEL}),
        ({"plaintext": [{"path": "/metadata/annotations/a", "operator": "remove"}]}, set()),
        ({"annotationsOverrider": [{"operator": "add", "value": {"a": "b"}}]}, set()),
    ],
)
def test_labels_that_a_rule_may_change_are_found(overriders, keys):
    assert relabelled_by([{"overriders": overriders}]) == keys


@pytest.mark.parametrize("seed", range(12))
def test_rules_give_the_same_result_as_the_policies(seed):
    """The policies as Karmada applies them (another test compares that with real Karmada) and the rules of a plan."""
    rnd = random.Random(seed)  # noqa: S311 - a test's choice
    for number in range(12):
        obj = template(rnd, f"w{number}", "space")
        meta = {**obj["metadata"], "labels": {**(obj["metadata"].get("labels") or {}), "app": obj["metadata"]["name"]}}
        obj = {**obj, "metadata": {**meta, "annotations": meta.get("annotations") or {}}}
        names = ["member1", "member2"]
        policies = [override_policy(rnd, obj, names, f"p{rnd.randint(0, 9)}-{i}") for i in range(rnd.randint(2, 5))]
        rules = Rules(rules_of_all(policies, [obj]))
        for member in (ONE, TWO):
            try:
                expected, _ = apply_policies(copied(obj), member, policies)
            except OverrideError:
                with pytest.raises(OverrideError):
                    apply_rules(copied(obj), member, rules)
                continue
            assert apply_rules(copied(obj), member, rules) == expected


def test_policy_that_selects_by_an_added_label_is_declared_shown_and_effective(given, project):  # noqa: F811
    """Regression: it was reported as without effect, and `preview --rendered` didn't have its values."""
    policies = [
        policy("p", [EVERY_DEPLOYMENT], **to("member1", "member2")),
        labelling("site", "add", {"site": "edge"}, "member2"),
        noting("edge", [labelled(site="edge")], "edge"),
    ]
    fleet = given([FRONT, BACK], policies)
    said = notices(fleet)
    assert not [line for line in said if "no effect" in line]
    assert [
        "OverridePolicy default/edge selects by labels that a cluster-wide policy sets" in line for line in said
    ] == [True]
    assert [one["metadata"]["name"] for one in fleet.workloads[0].given.overrides] == ["site", "edge"]
    found = rendered(fleet, ManifestFiles(project))
    noted = {
        member: [(obj["metadata"].get("annotations") or {}).get("by") for obj in objects]
        for member, objects in found.items()
    }
    assert {member: noted[member] for member in ("member1", "member2")} == {
        "member1": [None, None],
        "member2": ["edge", "edge"],
    }


def test_notices_of_overrides_respect_changed_labels():
    policies = [labelling("site", "add", {"site": "edge"}, "member2"), noting("edge", [labelled(site="edge")], "edge")]
    web = within(FRONT)
    rules = rules_of_all(policies, [web])
    assert reach([web], rules, {str(ref_of(web)): [ONE, TWO]}) == []
    steps = rules[1]["overriders"]["annotationsOverrider"]
    steps[0] = {"operator": "replace", "value": {"nothing": "x"}}
    found = reach([web], rules, {str(ref_of(web)): [ONE, TWO]})
    assert [one.what for one in found] == [Reach.NOTHING]


def test_notices_are_only_for_the_templates_of_a_rule():
    """Regression: a rule for one of two Deployments was checked against both."""
    remove = {"overriders": {"plaintext": [{"operator": "remove", "path": "/metadata/labels/tier"}]}}
    bare = within({**BACK, "metadata": {"name": "bare"}})
    one = policy("o", [labelled(tier="front")], "OverridePolicy", overrideRules=[remove])
    rules = rules_of_all([one], [within(FRONT), bare])
    placed = {str(ref_of(obj)): [ONE] for obj in (within(FRONT), bare)}
    assert reach([within(FRONT), bare], rules, placed) == []


# -- the project's own policies ----------------------------------------------------------------------------------------


def declared(obj, name, **spec):
    """A resource of the plan: an object of the workload, or one of its policies."""
    props = {**obj, "metadata": {**obj["metadata"], "namespace": "default"}, "spec": {**obj["spec"], **spec}}
    if obj["kind"] == "ClusterOverridePolicy":
        del props["metadata"]["namespace"]
    return resource(f"kubernetes:{obj['apiVersion']}:{obj['kind']}", name, props)


def policy_result(*objects):
    names = [f"object-{number}" for number in range(len(objects))]
    listed = [declared(obj, name) for obj, name in zip(objects, names, strict=True)]
    found = statuses("overrides-change-something", (cluster("member1"), cluster("member2"), *listed))
    return [str(one.name) for one in found]


SENT = policy("p", [EVERY_DEPLOYMENT], **to("member1", "member2"))
WIDE = labelling("site", "add", {"site": "edge"}, "member2")


def test_policy_that_selects_by_an_added_label_is_not_reported_as_unused():
    """Regression: the policy rule said that it targets no cluster that gets the workload."""
    assert policy_result(FRONT, SENT, WIDE, noting("edge", [labelled(site="edge")], "edge")) == ["PASS"]
    assert "FAIL" in policy_result(FRONT, SENT, WIDE, noting("other", [labelled(site="other", x="y")], "x"))


def test_policy_for_every_object_of_its_namespace_is_not_reported_as_unused():
    assert policy_result(FRONT, SENT, noting("all", [], "x")) == ["PASS"]


def test_policy_for_a_follower_is_not_reported_as_unused():
    follower = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "spec": {}}
    using = copied(FRONT)
    using["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "c"}}]
    along = {**SENT, "spec": {**SENT["spec"], "propagateDeps": True}}
    only = noting("c", [{"apiVersion": "v1", "kind": "ConfigMap"}], "x")
    assert policy_result(using, follower, along, only) == ["PASS"]
    assert policy_result(using, follower, SENT, only) == ["FAIL"]


def test_rule_for_all_objects_is_also_checked_against_objects_with_their_own_policy():
    """A rule that changes nothing in a ConfigMap changes the Deployment, whose own policy has further rules."""
    image = {"overriders": {"imageOverrider": [{"component": "Tag", "operator": "replace", "value": "2"}]}}
    note = {"overriders": {"annotationsOverrider": [{"operator": "add", "value": {"a": "b"}}]}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "spec": {}}
    every = policy("p", [EVERY_DEPLOYMENT, {"apiVersion": "v1", "kind": "ConfigMap"}], **to("member1"))
    shared = policy("o", [selector(config, namespace="default")], "OverridePolicy", overrideRules=[image])
    own = policy("o.of.d", [selector(FRONT, namespace="default")], "OverridePolicy", overrideRules=[image, note])
    assert policy_result(FRONT, config, every, shared, own) == ["PASS"]
    alone = policy("o.of.d", [selector(FRONT, namespace="default")], "OverridePolicy", overrideRules=[note])
    assert "FAIL" in policy_result(FRONT, config, every, shared, alone)
