"""Overrides of single objects, and override policies that are removed from the stack.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

from flotilla.kube.objects import ObjectRef
from tests.contract.given import labelled, policy, runs, to
from tests.contract.given import stack as given  # noqa: F401 - a fixture
from tests.contract.karmada import eventually
from tests.contract.main_job import everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, run, stack, workload  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods
from tests.contract.spaces import LEFT, assert_clean, policies

OF_WEB = ("OverridePolicy", "default", "shop.of.deployment-aimed-web")
SHOP = (
    pods("aimed-web", "default"),
    pods("aimed-store", "default"),
    obj("v1", "ConfigMap", "aimed", "default", data={"a": "b"}),
)
DEPLOYMENTS = {"apiVersion": "apps/v1", "kind": "Deployment"}


def by(value, *names, **more):
    named = {"objects": [{"kind": "Deployment", "name": name} for name in names]} if names else {}
    return {"clusters": ["member2"], "labels": {"by": value}, **named, **more}


def labels(fleet, *names, kind="Deployment", label="by", namespace="default"):
    """Return the value of a label of each object, by object and member."""
    api = {"Deployment": "apps/v1", "ConfigMap": "v1"}[kind]
    refs = [ObjectRef(api, kind, name, namespace) for name in names]
    found = [[fleet.connection(member).find(ref) for member in BOTH] for ref in refs]
    return [[(one["metadata"].get("labels") or {}).get(label) for one in copies] for copies in found]


def test_an_override_changes_only_the_objects_that_it_names_until_it_is_removed(fleet, run, stack):
    run.write(members(*BOTH), [])
    run("up", "--yes")
    before = everything(fleet, LEFT)

    def write(*overrides):
        stack(workload("shop", SHOP, overrides=list(overrides), timeout=60))

    write(by("one", "aimed-web"), by("all"), by("two", "aimed-store"))
    (plan,) = run("preview")["workloads"]
    assert {(one["kind"], one["name"]) for one in plan["policies"] if one["kind"] == "OverridePolicy"} == {
        ("OverridePolicy", name) for name in ("shop", "shop.of.deployment-aimed-web", "shop.of.deployment-aimed-store")
    }
    rendered = run("preview", "--rendered")["rendered"]["member2"]
    predicted = {one["metadata"]["name"]: (one["metadata"].get("labels") or {}).get("by") for one in rendered}
    assert {name: predicted[name] for name in ("aimed-web", "aimed-store", "aimed")} == {
        "aimed-web": "all",
        "aimed-store": "two",
        "aimed": "all",
    }
    run("up", "--yes")
    # Overrides apply in the order of the stack file, not by policy name: `all` after `one` and before `two`.
    assert labels(fleet, "aimed-web", "aimed-store") == [[None, "all"], [None, "two"]]
    assert labels(fleet, "aimed", kind="ConfigMap") == [[None, "all"]]
    assert_clean(run)

    # The override names another object: `up` deletes the old policy before it waits for the rollout.
    write(by("three", "aimed-store"))
    run("up", "--yes")
    eventually(
        lambda: labels(fleet, "aimed-web", "aimed-store") == [[None, None], [None, "three"]], problem="a label stays"
    )
    assert OF_WEB not in policies(fleet)
    assert_clean(run)

    # Somebody changes the policy of one object: the plan changes that object and no other one.
    ref = ObjectRef("policy.karmada.io/v1alpha1", "OverridePolicy", "shop.of.deployment-aimed-store", "default")
    step = {"operator": "add", "value": {"by": "somebody"}}
    rule = {"targetCluster": {"clusterNames": ["member2"]}, "overriders": {"labelsOverrider": [step]}}
    fleet.connection("karmada").patch(ref, {"spec": {"overrideRules": [rule]}})
    assert any(ref.name in one["object"] for one in run("drift", expect=3)["findings"])
    (plan,) = run("preview", "--refresh")["workloads"]
    said = str([one["details"] for one in plan["clusters"]])
    assert "aimed-store" in said
    assert "aimed-web" not in said
    run("up", "--yes", "--refresh")
    assert_clean(run)

    write()
    run("up", "--yes")
    eventually(
        lambda: labels(fleet, "aimed-web", "aimed-store") == [[None, None], [None, None]], problem="a label stays"
    )
    assert [one for one in policies(fleet) if one[0] == "OverridePolicy"] == [("OverridePolicy", "default", "shop")]
    assert_clean(run)
    run.write(members(*BOTH), [])
    run("up", "--yes")
    assert everything(fleet, LEFT) == before


def marking(name, operator, value, selectors, kind, **target):
    """Return an override policy that adds or removes a label."""
    rule = {"overriders": {"labelsOverrider": [{"operator": operator, "value": value}]}}
    spec = {
        "resourceSelectors": selectors,
        "overrideRules": [{**rule, **({"targetCluster": target} if target else {})}],
    }
    return obj("policy.karmada.io/v1alpha1", kind, name, spec=spec)


def test_override_policies_of_a_namespace_select_by_labels_that_cluster_wide_ones_set(fleet, run, given):
    """Earlier, the plan lacked the effect of the OverridePolicy, and the wait for the rollout timed out."""
    space, edge = obj("v1", "Namespace", "given"), {**DEPLOYMENTS, "labelSelector": {"matchLabels": {"site": "edge"}}}
    core = {**DEPLOYMENTS, "labelSelector": {"matchLabels": {"tier": "core"}}}
    web = labelled(pods("web"), tier="core")
    sent = policy("PropagationPolicy", "all", [DEPLOYMENTS], **to(*BOTH))
    only = {**DEPLOYMENTS, "namespace": "given"}
    wide = marking("given-edge", "add", {"site": "edge"}, [only], "ClusterOverridePolicy", clusterNames=["member2"])
    less = marking("given-less", "remove", {"tier": ""}, [only], "ClusterOverridePolicy", clusterNames=["member1"])
    narrow = marking("narrow", "add", {"by": "edge"}, [edge], "OverridePolicy")
    tagged = {"component": "Tag", "operator": "replace", "value": "1.29"}
    inner = marking("inner", "add", {"of": "core"}, [core], "OverridePolicy")
    inner["spec"]["overrideRules"][0]["overriders"]["imageOverrider"] = [tagged]
    given([space, web], [sent, wide, less, narrow, inner])
    assert not [line for line in run("validate").get("notes", []) if "no effect" in line]
    rendered = run("preview", "--rendered")["rendered"]
    planned = {
        member: next(one for one in objects if one["metadata"]["name"] == "web")["metadata"].get("labels") or {}
        for member, objects in rendered.items()
    }
    run("up", "--yes")
    found = {
        member: fleet.connection(member).find(ObjectRef("apps/v1", "Deployment", "web", "given"))["metadata"]["labels"]
        for member in BOTH
    }
    for label, expected in (("by", [None, "edge"]), ("of", [None, "core"]), ("site", [None, "edge"])):
        assert [found[member].get(label) for member in BOTH] == expected, label
        assert [planned[member].get(label) for member in BOTH] == expected, label
    assert_clean(run)

    # The run deletes an override policy that is removed from the file, and the rollout waits for the effect.
    assert runs(fleet, "web") == {"member1": (1, "1.27"), "member2": (1, "1.29")}
    given([space, web], [sent, wide, less, narrow])
    run("up", "--yes")
    assert runs(fleet, "web") == {"member1": (1, "1.27"), "member2": (1, "1.27")}
    eventually(lambda: labels(fleet, "web", label="of", namespace="given") == [[None, None]], problem="the label stays")
    assert ("OverridePolicy", "given", "inner") not in policies(fleet)
    assert_clean(run)
    run.write(members(*BOTH), [])
    run("up", "--yes")
