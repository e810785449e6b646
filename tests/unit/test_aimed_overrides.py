"""Overrides for single objects of a workload: how they are declared, predicted, expected in copies, and refused."""

from dataclasses import replace

import pytest
import yaml

from components import rollout
from components.rollout import RolloutProvider
from flotilla.karmada.aiming import override_policies, own_ending
from flotilla.karmada.rendering.policies import Rules, apply_policies, apply_rules, rules_of_all
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.status.overriding import OTHERS, OWN, removed_overrides, withdraw_overrides
from flotilla.kube.objects import ObjectRef, copied
from flotilla.plan.policies import PolicyPlan, doubled
from flotilla.stack.clear_secrets import in_clear
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import ConfigError
from flotilla.stack.specs import rules_for_objects
from tests.unit.rollouts import check_in_state, props
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_given_policies import BACK, FRONT, config
from tests.unit.test_plan_found import PLACEMENT, nginx, object_step, plan
from tests.unit.test_plan_found import policy as sent_by

POLICY_API = "policy.karmada.io/v1alpha1"
OBJECTS = (FRONT, BACK, config("c"))
AT_MEMBER2 = {"clusters": ["member2"]}


def labelled(value, *objects, **more):
    named = [{"kind": kind, "name": name} for kind, name in objects]
    return {**AT_MEMBER2, "labels": {"by": value}, **({"objects": named} if named else {}), **more}


@pytest.fixture
def shop(project, fleet_of):
    """Parse a stack with two Deployments and a ConfigMap, and overrides."""

    def parse(*overrides, manifests=OBJECTS, **keys):
        (project / "shop.yaml").write_text(yaml.safe_dump_all(manifests))
        one = {"name": "shop", "image": None, "manifests": ["shop.yaml"], "placement": {}, "overrides": list(overrides)}
        return fleet_of({**one, **keys})

    return parse


def labels(fleet, project, member="member2"):
    found = rendered(fleet, ManifestFiles(project))[member]
    return {obj["metadata"]["name"]: (obj["metadata"].get("labels") or {}).get("by") for obj in found}


def test_override_applies_to_the_objects_that_it_names(shop, project):
    fleet = shop(labelled("one", ("Deployment", "front"), ("ConfigMap", "c")))
    assert labels(fleet, project) == {"front": "one", "back": None, "c": "one"}
    assert set(labels(fleet, project, "member1").values()) == {None}


def test_overrides_apply_to_every_object_in_the_order_of_the_stack_file(shop, project):
    """By Karmada's own order, the policy for the single object would always come last."""
    fleet = shop(labelled("one", ("Deployment", "front")), labelled("all"))
    assert labels(fleet, project) == {"front": "all", "back": "all", "c": "all"}
    fleet = shop(labelled("all"), labelled("one", ("Deployment", "front")))
    assert labels(fleet, project) == {"front": "one", "back": "all", "c": "all"}


def test_object_that_is_not_in_the_workload_is_refused_and_the_error_lists_its_objects(shop):
    with pytest.raises(ConfigError) as refused:
        shop(labelled("one", ("Deployment", "frnt")), labelled("two", ("Service", "front")))
    assert [str(one) for one in refused.value.problems] == [
        (
            "workloads[0].overrides[0].objects[0]: Deployment frnt — is not an object of the workload; the override "
            "would have no effect; use one of its objects: Deployment default/back, Deployment default/front"
        ),
        (
            "workloads[0].overrides[1].objects[0]: Service front — is not an object of the workload; the override "
            "would have no effect; use one of its objects: ConfigMap default/c, Deployment default/back, "
            "Deployment default/front"
        ),
    ]


@pytest.mark.parametrize(
    ("objects", "said"),
    [([], "objects"), ([{"kind": "Deployment"}], "objects[0].name"), ([{"kind": "D", "name": "a", "x": 1}], "x")],
)
def test_objects_need_a_kind_and_a_name(shop, objects, said):
    with pytest.raises(ConfigError) as refused:
        shop({**labelled("one"), "objects": objects})
    assert said in str(refused.value)


def test_the_same_name_in_two_namespaces_is_distinguished_by_namespace(shop, project):
    there = {**config("c"), "metadata": {"name": "c", "namespace": "other"}}
    one = {**labelled("one"), "objects": [{"kind": "ConfigMap", "name": "c", "namespace": "other"}]}
    fleet = shop(one, manifests=[config("c"), there])
    found = rendered(fleet, ManifestFiles(project))["member2"]
    assert [(obj["metadata"].get("labels") or {}).get("by") for obj in found] == [None, "one"]


def test_policies_and_rules_give_each_object_the_same_result(shop):
    """The policies as Karmada applies them, compared with the plan's rules."""
    overrides = [
        labelled("1"),
        labelled("2", ("Deployment", "front")),
        labelled("3", ("ConfigMap", "c")),
        labelled("4"),
    ]
    for number in range(len(overrides)):
        order = overrides[number:] + overrides[:number]
        templates = [in_default(one) for one in (FRONT, BACK, config("c"))]
        made = rules_for_objects(shop(*order).workloads[0], templates)
        policies = list(override_policies("shop", namespace="default", templates=templates, rules=made).values())
        for template in templates:
            for member in ("member1", "member2"):
                sent, _ = apply_policies(copied(template), ClusterFacts(member), policies)
                assert sent == apply_rules(copied(template), ClusterFacts(member), Rules(made))
                assert sent == apply_rules(copied(template), ClusterFacts(member), rules_of_all(policies, templates))


def in_default(obj):
    metadata = {**obj["metadata"], "namespace": "default"}
    return {**obj, "metadata": {**metadata, "labels": metadata.get("labels") or {}}}


def test_shared_policy_selects_nothing_where_every_object_has_overrides_of_its_own():
    """A policy without a selector would apply to every object of the namespace."""
    templates = [in_default(FRONT)]
    only = [{"overriders": {}, "onlyFor": [["apps/v1", "Deployment", "front", "default"]]}]
    shared = override_policies("shop", namespace="default", templates=templates, rules=only)[""]["spec"]
    assert [one["name"] for one in shared["resourceSelectors"]] == ["front"]
    assert shared["overrideRules"] == [{"overriders": {}}]


@pytest.mark.parametrize(
    ("kind", "name", "ending"),
    [
        ("Deployment", "web", ".of.deployment-web"),
        ("ClusterRole", "system:reader", ".of.clusterrole-system-reader-"),
        ("ConfigMap", "a" * 200, ".of.configmap-aaa"),
    ],
)
def test_policy_names_are_readable_dns_names(kind, name, ending):
    found = own_ending({"kind": kind, "metadata": {"name": name}})
    assert found.startswith(ending)
    assert len(found) < 130
    assert own_ending({"kind": kind, "metadata": {"name": f"{name}b"}}) != found


def test_kinds_of_the_same_name_in_two_groups_have_different_policy_names():
    one, other = ({**in_default(config("c")), "apiVersion": api, "kind": "Gateway"} for api in ("a.x/v1", "b.x/v1"))
    refs = [[api, "Gateway", "c", "default"] for api in ("a.x/v1", "b.x/v1")]
    found = override_policies(
        "s", namespace="default", templates=[one, other], rules=[{"onlyFor": refs, "overriders": {}}]
    )
    assert list(found) == ["", ".of.gateway-c.a.x", ".of.gateway-c.b.x"]
    assert len({policy["metadata"]["name"] for policy in found.values()}) == 3


def test_program_declares_a_policy_for_each_named_object(run, absolute, project):  # noqa: F811
    config_map = {**config("c"), "metadata": {"name": "c"}}
    (project / "two.yaml").write_text(yaml.safe_dump_all([FRONT, config_map]))
    overrides = [labelled("all"), labelled("one", ("Deployment", "front"))]
    absolute["workloads"] = [
        {"name": "shop", "manifests": [str(project / "two.yaml")], "placement": {}, "overrides": overrides}
    ]
    registered = run(absolute)
    shared, own = (registered[name].inputs["spec"] for name in ("shop-override", "shop.of.deployment-front-override"))
    assert [one["name"] for one in shared["resourceSelectors"]] == ["c"]
    assert [one["name"] for one in own["resourceSelectors"]] == ["front"]
    values = [[r["overriders"]["labelsOverrider"][0]["value"]["by"] for r in s["overrideRules"]] for s in (shared, own)]
    assert values == [["all"], ["all", "one"]]
    assert all("onlyFor" not in rule for spec in (shared, own) for rule in spec["overrideRules"])
    inputs = registered["shop-rollout"].inputs
    assert inputs["overrideRules"][1]["onlyFor"] == [["apps/v1", "Deployment", "front", "default"]]
    assert inputs[OWN] == [["OverridePolicy", "default", "shop.of.deployment-front"]]


def test_program_declares_the_same_as_before_where_no_object_is_named(run, absolute):  # noqa: F811
    absolute["workloads"][0]["overrides"] = [labelled("all")]
    registered = run(absolute)
    assert [name for name in registered if name.endswith("-override")] == ["nginx-override"]
    assert OWN not in registered["nginx-rollout"].inputs


# -- overrides in the state, and changes by others ---------------------------------------------------------------------


def override(name, value, *names):
    selectors = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": one, "namespace": "default"} for one in names]
    rule = {"overriders": {"labelsOverrider": [{"operator": "add", "value": {"by": value}}]}}
    meta = {"name": name, "namespace": "default"}
    spec = {"resourceSelectors": selectors, "overrideRules": [rule]}
    return {"apiVersion": POLICY_API, "kind": "OverridePolicy", "metadata": meta, "spec": spec}


def test_state_has_the_rules_of_each_object():
    other = {**nginx(1), "metadata": {"name": "other", "namespace": "default"}}
    sender = sent_by(PLACEMENT)
    sender["spec"]["resourceSelectors"] = [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    policies = [override("nginx", "all", "nginx"), override("nginx.of.x", "one", "other")]
    check = check_in_state("nginx", nginx(1), other, sender, *policies)
    got = [
        apply_rules(in_default(obj), ClusterFacts("member1"), check.rules)["metadata"]["labels"]["by"]
        for obj in (nginx(1), other)
    ]
    assert got == ["all", "one"]


def test_changed_policy_of_one_object_affects_only_that_object():
    """Regression: the rules of the changed policy were taken for the rules of all objects of the workload."""
    other = {**nginx(1), "metadata": {"name": "other", "namespace": "default"}}
    declared = {
        "templates": [nginx(7), other],
        "overrideRules": rules_of_all(
            [override("nginx", "all", "nginx"), override("nginx.of.other", "one", "other")], [nginx(7), other]
        ),
    }
    shared = override("nginx", "all", "nginx")
    own, changed = override("nginx.of.other", "one", "other"), override("nginx.of.other", "two", "other")
    verb, copies = plan(object_step(shared, shared), object_step(own, changed), before=declared, declared=declared)
    details = " ".join(copies["member1"][1])
    assert verb == "changes"
    assert "Deployment default/other" in details
    assert "default/nginx" not in details


def test_declared_rules_keep_the_numbers_of_their_overrides():
    shared = override("nginx", "all", "nginx")
    changed = override("nginx", "new", "nginx")
    before = {"overrideRules": shared["spec"]["overrideRules"]}
    after = {"overrideRules": changed["spec"]["overrideRules"], "overrideNumbers": [4]}
    verb, copies = plan(object_step(shared, changed), before=before, declared=after)
    assert verb == "changes"
    assert set(copies) == {"member1", "member2"}


# -- policies that are no longer declared ------------------------------------------------------------------------------


def own(*names):
    return [["OverridePolicy", "default", name] for name in names]


def test_policies_that_are_no_longer_declared_are_found_and_others_stay():
    news = props(**{OWN: own("web.of.a"), OTHERS: own("given")})
    olds = props(**{OWN: own("web.of.a", "web.of.b", "given", "web")})
    assert removed_overrides(olds, news) == [ObjectRef(POLICY_API, "OverridePolicy", "web.of.b", "default")]
    assert removed_overrides(props(), news) == []
    assert removed_overrides(news, props()) == [ObjectRef(POLICY_API, "OverridePolicy", "web.of.a", "default")]


class ControlPlane:
    """Returns policies, and records what is deleted."""

    def __init__(self, **managers):
        self.managers = managers
        self.deleted = []

    def find(self, ref):
        if ref.name not in self.managers:
            return None
        return {"metadata": {"uid": f"uid-{ref.name}", "managedFields": [{"manager": self.managers[ref.name]}]}}

    def delete(self, ref, *, propagation, uid):
        self.deleted.append((ref.name, uid))
        return True


def test_only_existing_policies_of_a_stack_are_deleted():
    plane = ControlPlane(a="pulumi-kubernetes-1234", b="kubectl")
    withdraw_overrides(plane, [ObjectRef(POLICY_API, "OverridePolicy", name, "default") for name in "abc"])
    assert plane.deleted == [("a", "uid-a")]


def test_dropped_policies_are_deleted_before_the_rollout_is_waited_for(monkeypatch):
    """Engines delete them after the rollout, which would wait for copies that these policies keep from changing."""
    plane, seen = ControlPlane(**{"web.of.b": "pulumi-kubernetes"}), []
    monkeypatch.setattr(rollout, "shared_reader", lambda _: type("Reader", (), {"connection": plane}))
    monkeypatch.setattr(rollout, "wait", lambda *_: seen.append(list(plane.deleted)) or {})
    RolloutProvider().update("web", props(**{OWN: own("web.of.b")}), props())
    assert seen == [[("web.of.b", "uid-web.of.b")]]


def test_changed_list_of_other_policies_is_no_change_of_the_rollout():
    provider = RolloutProvider()
    assert not provider.diff("web", props(), props(**{OTHERS: own("x")})).changes
    assert provider.diff("web", props(), props(**{OWN: own("x")})).changes


def test_dropped_policy_of_another_object_is_no_reason_to_ask_about_duplicate_arguments():
    """The dropped policy is deleted before the rollout, so no wait runs into its timeout."""
    listed = [
        PolicyPlan("OverridePolicy", "default", "shop.of.deployment-a", "gone"),
        PolicyPlan("OverridePolicy", "default", "shop.of.deployment-b", "new"),
    ]
    assert doubled(listed) == ""
    assert "twice" in doubled([replace(one, name=f"shop{number}") for number, one in enumerate(listed)])


def test_patch_for_another_object_sets_no_value_of_the_secret(shop, project):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "Yg=="}}
    patch = {"patches": [{"op": "add", "path": "/data/x", "value": "clear"}]}
    files = ManifestFiles(project)
    aimed = {**AT_MEMBER2, **patch, "objects": [{"kind": "ConfigMap", "name": "c"}]}
    assert in_clear(shop(aimed, manifests=[secret, config("c")]), files) == []
    found = in_clear(shop({**AT_MEMBER2, **patch}, manifests=[secret, config("c")]), ManifestFiles(project))
    assert ["overrides[0].patches[0].value" in line for line in found] == [True]
