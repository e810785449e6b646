"""Workloads with objects of several namespaces and cluster-scoped objects: checks, declarations and claims."""

import pytest

from components.rollout import policies_for
from flotilla.karmada.kinds import BUILT_IN, Kinds, in_namespace, namespace_of
from flotilla.karmada.status.claims import transfer_claims
from flotilla.kube.objects import ref_of
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.policies import policies_text
from flotilla.plan.steps import Op, Result, Step
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from tests.unit.test_claims import CLAIM, CLAIMED, ControlPlane, policy
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_moves import CONFIG, NAMESPACE, RULE, RULES, declared, fleet_of, obj, refused  # noqa: F401
from tests.unit.test_plan_found import PARENT, state

ROLE = obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader")


def within(namespace, manifest=CONFIG):
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def policies_in(registered):
    return {name: args for name, args in registered.items() if args.typ.startswith("kubernetes:policy")}


# -- which namespace ------------------------------------------------------------------------------


def test_namespace_of_an_object_overrides_the_workloads_default():
    assert namespace_of(within("billing"), "shop") == "billing"
    assert namespace_of(CONFIG, "shop") == "shop"
    assert namespace_of({**CONFIG, "metadata": {"name": "a", "namespace": None}}, "shop") == "shop"
    assert namespace_of(within("billing", ROLE), "shop") == ""
    assert namespace_of(RULE, "shop", Kinds({("rules.example.org", "HouseRule"): False})) == ""


def test_namespace_of_a_cluster_scoped_object_is_removed_once_its_scope_is_known():
    guessed = in_namespace(RULE, "shop", BUILT_IN)
    assert guessed["metadata"]["namespace"] == "shop"
    known = Kinds({("rules.example.org", "HouseRule"): False})
    assert in_namespace(guessed, "shop", known) == RULE
    assert "namespace" not in RULE["metadata"], "what was read is shared: nobody changes it"


def test_offline_rendering_sets_the_namespace_of_each_object(fleet_of, project):  # noqa: F811
    fleet = fleet_of(a=("shop", CONFIG, within("billing"), ROLE))
    found = rendered(fleet, ManifestFiles(project))["member1"]
    assert [str(ref_of(one)) for one in found] == [
        "ConfigMap shop/common",
        "ConfigMap billing/common",
        "ClusterRole reader",
    ]


# -- refusals -------------------------------------------------------------------------------------


def test_same_name_in_two_namespaces_is_two_objects(fleet_of):  # noqa: F811
    fleet_of(a=("shop", CONFIG, within("billing")))
    fleet_of(a=("shop", within("billing")), b=("shop", CONFIG))
    fleet_of(a=("shop", within("billing")), b=("billing", RULE))


def test_duplicate_object_is_refused_however_its_namespace_is_given(fleet_of):  # noqa: F811
    assert "ConfigMap common occurs twice" in refused(lambda: fleet_of(a=("shop", CONFIG, within("shop"))))
    text = refused(lambda: fleet_of(a=("shop", within("billing"), CONFIG), b=("billing", CONFIG)))
    assert "ConfigMap billing/common is listed by the workloads 'a' and 'b'" in text
    text = refused(lambda: fleet_of(a=("shop", RULES, within("one", RULE), within("two", RULE))))
    assert "HouseRule no-latest is listed twice" in text
    assert "rules.example.org/v1 in namespace one and as rules.example.org/v1 in namespace two" in text


@pytest.mark.parametrize("namespace", ["karmada-system", "kube-system"])
def test_reserved_namespaces_are_refused_for_each_object(fleet_of, namespace):  # noqa: F811
    text = refused(lambda: fleet_of(a=("shop", CONFIG, within(namespace))))
    assert text.count("is in the namespace") == 1
    assert f"ConfigMap common is in the namespace {namespace}" in text
    fleet_of(a=("kube-system", within("shop"), within("kube-system", ROLE)))  # there are no objects in it


def test_namespace_that_does_not_exist_is_refused(fleet_of):  # noqa: F811
    text = refused(lambda: fleet_of(a=("shop", within("Billing_1"))))
    assert "ConfigMap common names the namespace 'Billing_1', which must be a DNS label" in text


def test_only_objects_of_the_workloads_own_namespace_have_former_names(fleet_of):  # noqa: F811
    two = obj("v1", "ConfigMap", "configmap-x"), obj("v1", "ConfigMap", "x")
    text = refused(lambda: fleet_of(**{"a": ("one", two[0]), "a-configmap": ("two", two[1])}))
    assert "would be called a-configmap-configmap-x in the state" in text
    fleet_of(**{"a": ("one", two[0]), "a-configmap": ("one", within("two", two[1]))})


# -- declarations ---------------------------------------------------------------------------------


def test_each_namespace_has_its_policies_and_cluster_scoped_objects_have_a_cluster_wide_pair(declared):  # noqa: F811
    found = declared(within("billing"), CONFIG, ROLE, namespace="shop", overrides=[])
    policies = {
        name: (args.inputs["kind"], args.inputs["metadata"].get("namespace"), args.inputs["metadata"]["name"])
        for name, args in policies_in(found).items()
    }
    assert policies == {
        "shop-policy": ("PropagationPolicy", "shop", "shop"),
        "shop-override": ("OverridePolicy", "shop", "shop"),
        "shop.billing-policy": ("PropagationPolicy", "billing", "shop.billing"),
        "shop.billing-override": ("OverridePolicy", "billing", "shop.billing"),
        "shop-cluster-policy": ("ClusterPropagationPolicy", None, "shop"),
        "shop-cluster-override": ("ClusterOverridePolicy", None, "shop"),
    }
    for policy_ in (found["shop.billing-policy"], found["shop.billing-override"]):
        assert policy_.inputs["spec"]["resourceSelectors"] == [
            {"apiVersion": "v1", "kind": "ConfigMap", "name": "common", "namespace": "billing"}
        ]
    assert {"configmap-billing/common", "configmap-shop/common", "clusterrole-reader"} <= set(found)
    assert found["shop-rollout"].inputs["policies"] == {"billing": "shop.billing"}


def test_workload_in_one_namespace_has_the_same_names_and_inputs_as_before(declared):  # noqa: F811
    found = declared(CONFIG, within("shop", obj("v1", "ConfigMap", "other")), namespace="shop")
    assert set(policies_in(found)) == {"shop-policy", "shop-override"}
    assert "policies" not in found["shop-rollout"].inputs
    assert "after" not in found["shop-rollout"].inputs


def test_policies_in_another_namespace_keep_a_former_name(declared):  # noqa: F811
    found = declared(within("billing"), CONFIG, name="store", formerly="shop")
    assert found["store.billing-policy"].inputs["metadata"]["name"] == "shop.billing"
    assert found["store-policy"].inputs["metadata"]["name"] == "shop"
    assert found["store-rollout"].inputs["policies"] == {"billing": "shop.billing"}


def test_namespaces_are_declared_before_the_policies_in_them(declared):  # noqa: F811
    other = obj("v1", "Namespace", "books")
    order = list(declared(within("books"), CONFIG, NAMESPACE, other, namespace="billing"))
    for namespace, policy_ in (("billing", "shop-policy"), ("books", "shop.books-policy")):
        assert order.index(f"namespace-{namespace}") < order.index(policy_)
        assert order.index(policy_) < order.index(f"configmap-{namespace}/common")


def test_cluster_scoped_custom_object_loses_its_written_namespace(declared):  # noqa: F811
    found = declared(RULES, within("billing", RULE), CONFIG)
    assert "houserule-no-latest" in found
    assert not any("billing" in name for name in found)


# -- claims ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("props", "namespace", "names"),
    [
        ({"workload": "shop"}, "default", ("shop", "shop.definitions")),
        ({"workload": "store", "policy": "shop"}, "", ("shop", "shop.definitions")),
        ({"workload": "shop", "policies": {"billing": "shop.billing"}}, "billing", ("shop.billing",)),
        ({"workload": "shop", "policies": {"billing": "shop.billing"}}, "default", ("shop", "shop.definitions")),
    ],
)
def test_template_is_claimed_by_the_policy_of_its_namespace(props, namespace, names):
    assert policies_for(props, ref_of(CLAIMED)._replace(namespace=namespace)) == names


def test_workload_with_a_new_namespace_takes_templates_over_from_its_own_former_policy():
    """The policy `shop` had the templates that `shop.default` is to have.

    Regression: they were left to it, as the workload's own.
    """
    karmada = ControlPlane(CLAIMED, policy("shop", name="common"), policy("shop.default", name="common"))
    assert CLAIM["propagationpolicy.karmada.io/name"] == "shop"
    names = policies_for({"workload": "shop", "policies": {"default": "shop.default"}}, ref_of(CLAIMED))
    assert transfer_claims(karmada, [CLAIMED], names) == [ref_of(CLAIMED)]


# -- plans ----------------------------------------------------------------------------------------


def written(op, kind, name, namespace=None, rules=()):
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    type_ = f"kubernetes:policy.karmada.io/v1alpha1:{kind}"
    spec = {"overrideRules": list(rules)} if kind.endswith("OverridePolicy") else {"placement": {}}
    inputs = {"apiVersion": "policy.karmada.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
    one = state(type_, f"{kind}-{name}-{namespace}", inputs)
    return Step(op, one.urn, type_, old=None if op is Op.CREATE else one, new=None if op is Op.DELETE else one)


def rollout(**more):
    inputs = {"workload": "nginx", "templates": [within("default")], "placement": {}, "overrideRules": [], **more}
    one = state(ROLLOUT_TYPE, "nginx-rollout", inputs)
    return Step(Op.CREATE, one.urn, ROLLOUT_TYPE, new=one)


def test_plan_shows_the_policies_of_every_namespace():
    steps = [
        rollout(),
        written(Op.SAME, "PropagationPolicy", "nginx", "default"),
        written(Op.UPDATE, "OverridePolicy", "nginx", "default"),
        written(Op.CREATE, "PropagationPolicy", "nginx.books", "books"),
        written(Op.CREATE, "OverridePolicy", "nginx.books", "books"),
        written(Op.DELETE, "ClusterPropagationPolicy", "nginx"),
    ]
    (plan,) = fleet_plan(Result(steps=steps)).workloads
    said = policies_text(plan.policies)
    assert said == "books/nginx.books (new), default/nginx (OverridePolicy changes), nginx cluster-wide (gone)"
    body = fleet_plan(Result(steps=steps)).to_json()["workloads"][0]
    assert body["policies"][0] == {
        "kind": "PropagationPolicy",
        "namespace": "books",
        "name": "nginx.books",
        "verb": "new",
    }
    assert steps[0].new.parent == PARENT


def test_arguments_that_would_be_added_twice_ask_for_the_former_namespace():
    """Until the former policy is deleted at the end, both policies add them.

    The rollout would wait for arguments added once.
    """
    adding = [{"overriders": {"argsOverrider": [{"operator": "add", "value": ["-q"]}]}}]

    def question(rules, *ops):
        names = {Op.CREATE: "nginx.default", Op.DELETE: "nginx"}
        swap = [written(op, "OverridePolicy", names[op], "default", rules) for op in ops]
        beside = written(Op.SAME, "OverridePolicy", "nginx", "books", rules)
        (plan,) = fleet_plan(Result(steps=[rollout(overrideRules=rules), *swap, beside])).workloads
        return plan.question

    assert "twice in default" in question(adding, Op.CREATE, Op.DELETE)
    assert question([], Op.CREATE, Op.DELETE) == ""
    assert question(adding, Op.CREATE) == ""


def test_policies_in_a_single_namespace_are_not_shown():
    steps = [rollout(), written(Op.SAME, "PropagationPolicy", "nginx", "default")]
    assert "policies" not in fleet_plan(Result(steps=steps)).to_json()["workloads"][0]
