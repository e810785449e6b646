"""Policies written by the user: which policy sends which object, and how they are planned, checked and declared."""

import pytest
import yaml

from flotilla.karmada.propagation import declared_policy
from flotilla.karmada.rendering.policies import ONLY_FOR, rules_of_all
from flotilla.karmada.selection import claimant, selects
from flotilla.karmada.versions import Version
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.notices import notices
from flotilla.stack.problems import ConfigError
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.order import in_order

POLICY_API = "policy.karmada.io/v1alpha1"


def deployment(name, labels=None):
    spec = {"containers": [{"name": name, "image": f"registry.example/{name}:1"}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": spec}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


def config(name):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}


def selector(obj=None, **more):
    found = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": obj["metadata"]["name"]} if obj else {}
    return {**found, **more}


def policy(name, selectors, kind="PropagationPolicy", **spec):
    return {
        "apiVersion": POLICY_API,
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"resourceSelectors": selectors, **spec},
    }


def to(*members):
    return {"placement": {"clusterAffinity": {"clusterNames": list(members)}}}


def tagged(name, selectors, tag, kind="OverridePolicy", **target):
    steps = [{"component": "Tag", "operator": "replace", "value": tag}]
    rule = {"overriders": {"imageOverrider": steps}, **({"targetCluster": target} if target else {})}
    return policy(name, selectors, kind, overrideRules=[rule])


EVERY_DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment"}
FRONT, BACK = deployment("front", {"tier": "front"}), deployment("back", {"tier": "back"})


@pytest.fixture
def given(project, fleet_of):
    """Parse a stack with one workload `shop` of manifests and policies, and possibly other workloads."""

    def parse(manifests, policies, *others, **keys):
        (project / "shop.yaml").write_text(yaml.safe_dump_all(manifests))
        (project / "policies.yaml").write_text(yaml.safe_dump_all(policies))
        shop = {"name": "shop", "manifests": ["shop.yaml"], "policies": ["policies.yaml"], **keys}
        return fleet_of(*others, {"image": None, **shop})

    return parse


def names(fleet, project):
    files = ManifestFiles(project)
    return {one.name: [m["metadata"]["name"] for m in manifests_of(one, files)] for one in fleet.workloads}


def test_single_policy_gives_one_workload_of_the_same_name(given, project):
    fleet = given([FRONT, config("c")], [policy("p", [selector(FRONT), selector(config("c"))], **to("member2"))])
    (shop,) = fleet.workloads
    assert shop.name == "shop"
    assert [m.name for m in fleet.chosen(shop.placement)] == ["member2"]
    assert names(fleet, project) == {"shop": ["front", "c"]}


def test_each_policy_has_a_part_with_the_objects_that_it_wins_by_karmadas_order(given, project):
    policies = [
        policy("everything", [EVERY_DEPLOYMENT], "ClusterPropagationPolicy", **to("member1")),
        policy("by-label", [{**EVERY_DEPLOYMENT, "labelSelector": {"matchLabels": {"tier": "back"}}}], **to("member2")),
        policy("by-kind", [EVERY_DEPLOYMENT], **to("member3")),
        policy("urgent", [selector(kind="ConfigMap", apiVersion="v1")], priority=1, **to("member1", "member3")),
        policy("by-name", [selector(config("c"))], **to("member2")),
    ]
    fleet = given([FRONT, BACK, config("c")], policies)
    assert names(fleet, project) == {"shop-by-kind": ["front"], "shop-by-label": ["back"], "shop-urgent": ["c"]}
    chosen = {w.name: [m.name for m in fleet.chosen(w.placement)] for w in fleet.workloads}
    assert chosen == {
        "shop-by-kind": ["member3"],
        "shop-by-label": ["member2"],
        "shop-urgent": ["member1", "member3"],
    }
    said = " ".join(notices(fleet))
    assert "ClusterPropagationPolicy everything has no effect" in said
    assert "PropagationPolicy default/by-name has no effect" in said
    declared = [p["metadata"]["name"] for w in fleet.workloads for p in w.given.declares]
    assert sorted(declared) == ["by-kind", "by-label", "by-name", "everything", "urgent"]


def test_overrides_apply_in_karmadas_order_to_the_selected_objects(given, project):
    policies = [
        policy("p", [EVERY_DEPLOYMENT], **to("member1", "member2")),
        tagged("z-all", [EVERY_DEPLOYMENT], "all"),
        tagged("a-front", [selector(FRONT)], "front", clusterNames=["member2"]),
        tagged("cluster-wide", [], "first", "ClusterOverridePolicy"),
    ]
    fleet = given([FRONT, BACK], policies)
    found = rendered(fleet, ManifestFiles(project))
    images = {
        (member, obj["metadata"]["name"]): obj["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        for member, objects in found.items()
        for obj in objects
    }
    assert images == {
        ("member1", "front"): "all",
        ("member1", "back"): "all",
        ("member2", "front"): "front",
        ("member2", "back"): "all",
    }


def test_policy_shared_by_two_parts_is_declared_once_before_both(given, project):
    policies = [
        policy("one", [selector(FRONT)], **to("member1")),
        policy("two", [selector(BACK)], **to("member2")),
        tagged("both", [EVERY_DEPLOYMENT], "2"),
    ]
    fleet = given([FRONT, BACK], policies)
    first, second = in_order(fleet, ManifestFiles(project))
    assert [p["metadata"]["name"] for p in first[0].given.declares] == ["one", "both"]
    assert [p["metadata"]["name"] for p in second[0].given.declares] == ["two"]
    assert [(need.workload, need.what) for need in second[1]] == [("shop-one", "policy/OverridePolicy/default/both")]


def test_policies_may_stand_among_the_manifests(given, project, fleet_of):
    own = policy("p", [selector(FRONT)], **to("member1"))
    (project / "all.yaml").write_text(yaml.safe_dump_all([own, FRONT]))
    fleet = fleet_of({"image": None, "manifests": ["all.yaml"], "policies": ["all.yaml"], "name": "shop"})
    assert names(fleet, project) == {"shop": ["front"]}
    with pytest.raises(ConfigError, match="list the file under the workload's 'policies' as well"):
        fleet_of({"image": None, "manifests": ["all.yaml"]})


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ([policy("p", [selector(FRONT)], **to("member1"))], "no policy selects Deployment default/back"),
        ([tagged("o", [EVERY_DEPLOYMENT], "2")], "no policy selects Deployment default/front"),
        ([config("c"), policy("p", [EVERY_DEPLOYMENT])], "ConfigMap c is not a policy of Karmada"),
        (
            [policy("p", [EVERY_DEPLOYMENT], placement={"spreadConstraints": [{"spreadByField": "region"}]})],
            "(PropagationPolicy default/p).placement: has 'spread' without `by: cluster`",
        ),
        (
            [policy("p", [EVERY_DEPLOYMENT]), policy("p", [EVERY_DEPLOYMENT], priority=2)],
            "PropagationPolicy p occurs twice",
        ),
    ],
)
def test_objects_that_run_nowhere_or_would_be_refused_are_reported(given, policies, said):
    with pytest.raises(ConfigError) as refused:
        given([FRONT, BACK], policies)
    assert said in str(refused.value)


def test_problem_of_a_policy_in_a_folder_names_the_file(project, fleet_of):
    """Regression: the problem named only the folder's key in the stack file: `workloads[0].policies[0]`."""
    (project / "karmada").mkdir()
    (project / "shop.yaml").write_text(yaml.safe_dump(FRONT))
    (project / "karmada" / "good.yaml").write_text(yaml.safe_dump(policy("p", [selector(FRONT)], **to("member1"))))
    for text, said in (
        ("a: [", "not valid YAML"),
        (yaml.safe_dump(config("c")), "ConfigMap c is not a policy"),
        (yaml.safe_dump(policy("p", [EVERY_DEPLOYMENT])), "PropagationPolicy p occurs twice"),
    ):
        (project / "karmada" / "new.yaml").write_text(text)
        with pytest.raises(ConfigError) as refused:
            fleet_of({"image": None, "manifests": ["shop.yaml"], "policies": ["karmada"]})
        assert f'policies[0]: "karmada/new.yaml" — {said}' in str(refused.value)


def divided(*members, groups=()):
    weights = [{"targetCluster": {"clusterNames": [name]}, "weight": 1} for name in members]
    strategy = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    affinity = {"clusterAffinity": {"clusterNames": list(members)}}
    if groups:
        affinity = {"clusterAffinities": [{"affinityName": name, "clusterNames": [name]} for name in groups]}
    scheduling = {**strategy, "weightPreference": {"staticWeightList": weights}}
    return {"placement": {**affinity, "replicaScheduling": scheduling}}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (divided("member1", "elsewhere"), ["names elsewhere, which aren't members of this stack"]),
        (divided("member1", "elsewhere", groups=["member1", "elsewhere"]), ["names elsewhere", "group 'elsewhere'"]),
        (divided("member1", groups=["member1", "member2"]), ["has no weight for member2"]),
        (divided("member1", "member2", groups=["member1"]), []),
        (
            to("member1") | {"suspension": {"dispatchingOnClusters": {"clusterNames": ["elsewhere"]}}},
            ["names elsewhere", "keeps Karmada from sending"],
        ),
    ],
)
def test_unknown_cluster_names_in_a_policy_are_ignored_and_reported(given, spec, said):
    """Regression: a policy that also named clusters of a larger fleet was refused; Karmada ignores such names."""
    fleet = given([FRONT], [policy("p", [selector(FRONT)], **spec)])
    found = notices(fleet)
    assert len(found) == len(said)
    assert all(any(one in line for line in found) for one in said)


def test_webhook_defaults_of_spread_and_division_are_declared(given):
    """Regression: a spread without a field was refused; without the defaults, its list would always differ."""
    scheduling = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}
    spec = {"clusterAffinity": {"clusterNames": ["member1", "member2"]}, "spreadConstraints": [{"maxGroups": 2}]}
    both = policy("p", [selector(FRONT)], placement={**spec, "replicaScheduling": {}})
    (declared,) = given([FRONT], [both]).workloads[0].given.declares
    assert declared["spec"]["placement"]["spreadConstraints"] == [
        {"spreadByField": "cluster", "minGroups": 1, "maxGroups": 2}
    ]
    assert declared["spec"]["placement"]["replicaScheduling"] == scheduling


def test_policy_that_selects_no_member_is_refused_by_its_name(given):
    said = r"workloads\[0\].policies \(PropagationPolicy default/p\): chooses no member of this stack"
    with pytest.raises(ConfigError, match=said):
        given([FRONT], [policy("p", [selector(FRONT)], **to("elsewhere"))])


def test_policies_together_with_the_keys_that_they_replace_are_refused(given):
    with pytest.raises(ConfigError, match="has 'policies' and 'placement', 'priority'"):
        given([FRONT], [policy("p", [EVERY_DEPLOYMENT])], placement={}, priority=1)


def test_policy_that_selects_objects_of_another_workload_is_refused(given):
    both = tagged("both", [EVERY_DEPLOYMENT], "2")
    with pytest.raises(ConfigError, match="OverridePolicy default/both selects Deployment default/web of the workload"):
        given([FRONT], [policy("p", [selector(FRONT)]), both], {"name": "web"})
    with pytest.raises(ConfigError, match="has the name of a policy of the workload 'web'"):
        given([FRONT], [policy("web", [selector(FRONT)])], {"name": "web"})


def test_problem_names_the_objects_of_a_rule(given, project):

    all_of_them, one = tagged("all", [EVERY_DEPLOYMENT], "2"), tagged("one", [selector(BACK)], "3")
    assert rules_of_all([all_of_them], [FRONT, BACK]) == all_of_them["spec"]["overrideRules"]
    found = rules_of_all([all_of_them, one], [FRONT, BACK])
    assert [rule[ONLY_FOR][0][2] for rule in found] == ["front", "back", "back"]


def test_selector_of_another_namespace_stays_unchanged_and_selects_nothing():
    """Regression: the policy's namespace replaced it. Karmada's webhook sets only a missing namespace."""
    wrong = policy("p", [selector(FRONT, namespace="elsewhere"), selector(BACK)], **to("member1"))
    declared = declared_policy(wrong, namespace="default")
    assert [one["namespace"] for one in declared["spec"]["resourceSelectors"]] == ["elsewhere", "default"]
    within = [{**one, "metadata": {**one["metadata"], "namespace": "default"}} for one in (FRONT, BACK)]
    assert [selects(declared, one) for one in within] == [False, True]


def test_label_selector_that_matches_everything_ranks_above_no_label_selector():
    """pkg/util/selector.go: only the presence of a label selector counts."""
    one = {**FRONT, "metadata": {**FRONT["metadata"], "namespace": "default"}}
    by_kind, by_labels = (
        declared_policy(policy(name, [{**EVERY_DEPLOYMENT, **more}]), namespace="default")
        for name, more in (("a", {}), ("b", {"labelSelector": {}}))
    )
    assert claimant([by_kind, by_labels], one) is by_labels


def spec_of(version=None, **placement):
    placed = {**policy("web", [EVERY_DEPLOYMENT]), "spec": {"placement": placement}}
    return declared_policy(placed, namespace="default", version=version)["spec"]["placement"]


def test_placement_without_replica_scheduling_gets_no_default():
    """Karmada's API and webhooks set no default; with one, an existing policy would differ from the declared one."""
    assert spec_of(clusterAffinity={"clusterNames": ["a"]}) == {"clusterAffinity": {"clusterNames": ["a"]}}


def test_tolerations_get_exactly_what_the_webhook_of_the_version_adds():
    own = {
        "key": "cluster.karmada.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 60,
    }
    added = {
        "key": "cluster.karmada.io/not-ready",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for version, wanted in ((Version(1, 15), [own]), (Version(1, 14), [own, added]), (None, [own, added])):
        assert spec_of(version, clusterTolerations=[own])["clusterTolerations"] == wanted
