"""Objects that move between workloads, the order of workloads, and known kinds: rules and plans, without clusters."""

import json
import time

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.karmada.kinds import BUILT_IN, Kinds, defined_kinds, identity, kind_of, other_versions
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.plan.moves import Side, not_idempotent, with_moves
from flotilla.providers.kubernetes import KubernetesProvider
from flotilla.stack import ConfigError, parse_fleet
from flotilla.stack.declare import rendered
from flotilla.stack.files import ManifestFiles
from flotilla.state.checkpoint import ResourceState
from flotilla.workloads.needs import known_kinds
from flotilla.workloads.order import in_order
from tests.unit.planes import Answers, check_once
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures


def obj(api_version, kind, name, **more):
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, **more}


CONFIG = obj("v1", "ConfigMap", "common")
NAMESPACE = obj("v1", "Namespace", "billing")


def crd(group, kind, *, scope="Cluster", versions=("v1",)):
    return obj(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        f"{kind.lower()}s.{group}",
        spec={
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": f"{kind.lower()}s"},
            "versions": [{"name": version, "served": True} for version in versions],
        },
    )


RULES = crd("rules.example.org", "HouseRule")
RULE = obj("rules.example.org/v1", "HouseRule", "no-latest")


@pytest.fixture
def fleet_of(sections, project):
    """A fleet of workloads with manifests, each in a file."""

    def fleet_of(**workloads):
        sections["workloads"] = []
        for name, (namespace, *objects) in workloads.items():
            (project / f"{name}.yaml").write_text(yaml.safe_dump_all(objects))
            sections["workloads"].append(
                {"name": name, "namespace": namespace, "manifests": [f"{name}.yaml"], "placement": {}}
            )
        return parse_fleet(sections, base=project)

    return fleet_of


def refused(call):
    with pytest.raises(ConfigError) as caught:
        call()
    return "\n".join(str(problem) for problem in caught.value.problems)


# -- kinds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api_version", "kind", "cluster_scoped"),
    [
        ("storage.k8s.io/v1", "CSIDriver", True),
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", True),
        ("admissionregistration.k8s.io/v1beta1", "MutatingAdmissionPolicy", True),
        ("v1", "Namespace", True),
        ("v1", "ConfigMap", False),
        ("auth.example.org/v1", "ClusterRole", False),
        ("cert-manager.io/v1", "ClusterIssuer", False),
    ],
)
def test_kind_is_identified_by_group_and_name(api_version, kind, cluster_scoped):
    """Regression: a list by kind alone missed half of Kubernetes' own kinds, and confused groups."""
    assert BUILT_IN.cluster_scoped(obj(api_version, kind, "x")) is cluster_scoped


def test_definitions_give_scope_and_preferred_version():
    kinds = defined_kinds([crd("a.example.org", "A", versions=("v1alpha1", "v2", "v1", "v3beta1"))])
    assert kinds.has_namespace(("a.example.org", "A")) is False
    assert kinds.preferred_version(("a.example.org", "A")) == "a.example.org/v2"
    assert kinds.has_namespace(("b.example.org", "A")) is None
    assert defined_kinds([obj("apiextensions.k8s.io/v1", "CustomResourceDefinition", "x", spec="text")]) == Kinds()


def test_object_is_the_same_in_every_version_of_its_group():
    one, other = (obj(f"autoscaling/{version}", "HorizontalPodAutoscaler", "x") for version in ("v1", "v2"))
    assert identity(one) == identity(other)
    assert "autoscaling/v2" in other_versions("autoscaling/v1")
    assert other_versions("v1") == []


def test_offline_rendering_knows_the_definitions_of_every_workload(fleet_of, project):
    fleet = fleet_of(a=("default", RULE), b=("default", RULES))
    found = [
        o
        for o in rendered(fleet, ManifestFiles(project))["member1"]
        if kind_of(o) == ("rules.example.org", "HouseRule")
    ]
    assert "namespace" not in found[0]["metadata"]


def test_control_plane_that_does_not_answer_does_not_stop_the_program(fleet_of, project):
    """A first preview runs before its control plane exists."""
    fleet = fleet_of(a=("default", obj("cert-manager.io/v1", "ClusterIssuer", "letsencrypt")))
    started = time.monotonic()
    known = known_kinds(fleet, ManifestFiles(project), (project / "kube.yaml").read_text())
    assert time.monotonic() - started < 20, "not the half minute that a request may take"
    assert "ClusterIssuer (cert-manager.io) is treated as a namespaced kind" in known.messages[0]
    assert "gave no answer" in known.messages[0]


def test_validate_reports_kinds_whose_scope_it_does_not_know(sections, project, capsys):
    (project / "issuer.yaml").write_text(yaml.safe_dump(obj("cert-manager.io/v1", "ClusterIssuer", "letsencrypt")))
    (project / "Pulumi.yaml").write_text("name: p\nruntime: python\nstackConfigDir: stacks\n")
    (project / "stacks").mkdir()
    sections["workloads"] = [{"name": "tls", "manifests": ["issuer.yaml"], "placement": {}}]
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    assert main(["validate", "-C", str(project), "-s", "dev", "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert "ClusterIssuer (cert-manager.io)" in note
    assert "was not asked" in note


# -- objects across workloads ---------------------------------------------------------------------


def test_object_listed_by_two_workloads_is_refused_with_both_names(fleet_of):
    """Removing one of the workloads would delete the object of the other one."""
    text = refused(lambda: fleet_of(front=("default", CONFIG), back=("default", CONFIG)))
    assert "ConfigMap default/common is listed by the workloads 'front' and 'back'" in text


def test_another_version_or_explicit_namespace_is_the_same_object(fleet_of):
    scaler = {"kind": "Gauge", "metadata": {"name": "x"}}
    older, newer = ({"apiVersion": f"g.example.org/{v}", **scaler} for v in ("v1beta1", "v1"))
    assert "Gauge default/x" in refused(lambda: fleet_of(a=("default", older), b=("default", newer)))
    role = obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader")
    assert "ClusterRole reader" in refused(lambda: fleet_of(a=("one", role), b=("two", role)))
    fleet_of(a=("one", CONFIG), b=("two", CONFIG))


def test_deployment_of_the_short_form_counts_as_listed(sections, project):
    (project / "web.yaml").write_text(yaml.safe_dump(obj("apps/v1", "Deployment", "nginx", spec={})))
    sections["workloads"].append({"name": "web", "manifests": ["web.yaml"], "placement": {}})
    assert "Deployment default/nginx" in refused(lambda: parse_fleet(sections, base=project))


@pytest.mark.parametrize(
    ("manifest", "namespace", "text"),
    [
        (obj("policy.karmada.io/v1alpha1", "PropagationPolicy", "web"), "default", "Karmada propagates to no member"),
        (obj("v1", "Namespace", "karmada-cluster"), "default", "never propagated by Karmada"),
        (obj("v1", "Namespace", "default"), "default", "never propagated by Karmada"),
        (CONFIG, "karmada-cluster", "is in the namespace karmada-cluster"),
        (CONFIG, "kube-system", "is in the namespace kube-system"),
        (obj("autoscaling/v1", "HorizontalPodAutoscaler", "x"), "default", "write it in autoscaling/v2"),
    ],
)
def test_object_that_karmada_never_sends_is_refused(fleet_of, manifest, namespace, text):
    """Regression: `up` waited for it until its timeout, since no policy ever claims it."""
    assert text in refused(lambda: fleet_of(web=(namespace, manifest)))


def test_version_that_the_definition_does_not_prefer_is_refused(fleet_of):
    definition = crd("rules.example.org", "HouseRule", versions=("v1", "v2"))
    assert "write it in rules.example.org/v2" in refused(lambda: fleet_of(a=("default", definition, RULE)))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([("nginx", "nginx")], "present name"),
        ([("a", None), ("b", "a")], "is the name of another of the stack's workloads"),
        ([("a", "x"), ("b", "x")], "is the former name of 'a' too"),
    ],
)
def test_former_name_can_belong_to_one_workload_only(sections, project, names, text):
    plain = sections["workloads"][0]
    sections["workloads"] = [
        {**plain, "name": name, **({"formerly": former} if former else {})} for name, former in names
    ]
    assert text in refused(lambda: parse_fleet(sections, base=project))


def test_workloads_that_others_need_are_declared_first(fleet_of, project):
    fleet = fleet_of(
        rules=("default", RULE), web=("billing", CONFIG), spaces=("default", NAMESPACE), kinds=("default", RULES)
    )
    order = [
        (workload.name, [need.what for need in needs]) for workload, needs in in_order(fleet, ManifestFiles(project))
    ]
    assert order == [
        ("spaces", []),
        ("web", ["namespace/billing"]),
        ("kinds", []),
        ("rules", ["kind/rules.example.org/HouseRule"]),
    ]


def test_workloads_that_need_each_other_are_all_declared(fleet_of, project):
    fleet = fleet_of(a=("two", obj("v1", "Namespace", "one")), b=("one", obj("v1", "Namespace", "two")))
    assert [workload.name for workload, _ in in_order(fleet, ManifestFiles(project))] == ["a", "b"]


# -- what is declared -----------------------------------------------------------------------------


@pytest.fixture
def declared(run, absolute, project):  # noqa: F811
    """Run the program on one workload with manifests."""

    def declared(*objects, name="shop", **more):
        (project / "all.yaml").write_text(yaml.safe_dump_all(objects))
        entry = {"name": name, "manifests": [str(project / "all.yaml")], "placement": {}, **more}
        absolute["workloads"] = [entry]
        return run(absolute)

    return declared


def test_object_name_is_independent_of_its_workload(declared):
    """Regression: a renamed workload could never be deployed, since its objects were created a second time."""
    role = obj("rbac.authorization.k8s.io/v1", "ClusterRole", "reader")
    names = {name for name, args in declared(CONFIG, role, name="shop").items() if args.typ.startswith("kubernetes:")}
    assert {"configmap-default/common", "clusterrole-reader"} <= names
    again = declared(CONFIG, role, name="store")
    assert {"configmap-default/common", "clusterrole-reader"} <= set(again)


def test_namespaces_are_declared_before_the_policies_in_them(declared):
    order = list(declared(CONFIG, NAMESPACE, namespace="billing"))
    assert order.index("namespace-billing") < order.index("shop-policy") < order.index("configmap-billing/common")


def test_no_policy_selects_a_namespace_that_karmada_sends_by_itself(declared):
    """Karmada would create two Works of the same name, and never report the Namespace as applied."""
    assert "shop-cluster-policy" not in declared(NAMESPACE)
    kept = {
        **NAMESPACE,
        "metadata": {"name": "billing", "labels": {"namespace.karmada.io/skip-auto-propagation": "true"}},
    }
    selectors = declared(kept)["shop-cluster-policy"].inputs["spec"]["resourceSelectors"]
    assert [s["kind"] for s in selectors] == ["Namespace"]


def test_definitions_are_declared_before_the_objects_of_their_kinds(declared):
    """Regression: both were created in parallel, and the objects were refused, since their kind was not served yet."""
    found = declared(RULE, CONFIG, RULES)
    order = list(found)
    steps = ["shop.definitions-policy", "customresourcedefinition-houserules.rules.example.org", "shop-kinds"]
    steps += ["shop-cluster-policy", "houserule-no-latest"]
    assert [order.index(step) for step in steps] == sorted(order.index(step) for step in steps)
    assert found["shop-kinds"].inputs["kinds"] == [{"apiVersion": "rules.example.org/v1", "kind": "HouseRule"}]
    assert "namespace" not in found["houserule-no-latest"].inputs["metadata"]
    assert "shop-kinds" not in declared(RULES)


def test_former_name_keeps_the_deployment_of_the_short_form(run, absolute):  # noqa: F811
    absolute["workloads"][0] |= {"name": "store", "formerly": "shop"}
    found = run(absolute)["deployment-default/shop"].inputs
    container = found["spec"]["template"]["spec"]["containers"][0]
    assert (found["metadata"]["name"], container["name"]) == ("shop", "shop")


# -- plans ----------------------------------------------------------------------------------------


def copies(*objects, clusters=("member1",)):
    return {cluster: list(objects) for cluster in clusters}


def test_new_workload_with_all_objects_of_a_removed_one_is_a_rename():
    shop, store = with_moves([Side("shop", "shop", copies(CONFIG), {}), Side("store", "", {}, copies(CONFIG))])
    assert shop.absorbed
    assert (store.origin, store.old, store.question) == ("formerly shop", copies(CONFIG), "")


def test_single_objects_that_move_are_named_and_leave_the_other_workload():
    other = obj("v1", "ConfigMap", "other")
    a, b = with_moves([Side("a", "a", copies(CONFIG, other), copies(other)), Side("b", "", {}, copies(CONFIG))])
    assert a.old == copies(other)
    assert b.origin == "takes over ConfigMap common from a"


@pytest.mark.parametrize(
    ("overriders", "twice"),
    [
        ({"argsOverrider": [{"operator": "add", "value": ["-q"]}]}, True),
        ({"plaintext": [{"path": "/spec/rules/-", "operator": "add", "value": {}}]}, True),
        ({"plaintext": [{"path": "/spec/replicas", "operator": "replace", "value": 1}]}, False),
        ({"labelsOverrider": [{"operator": "add", "value": {"a": "b"}}]}, False),
    ],
)
def test_duplicated_overrides_that_are_not_idempotent_ask_for_the_former_name(overriders, twice):
    """Until the old override policy is deleted, both apply, and pods would restart."""
    side = Side("store", "", {}, copies(CONFIG), not_idempotent([{"overriders": overriders}]))
    question = with_moves([Side("shop", "shop", copies(CONFIG), {}), side])[1].question
    assert ("add `formerly: shop`" in question) is twice


def test_renamed_short_form_asks_for_the_former_name_and_another_image_does_not():
    def pods(name, image):
        return obj("apps/v1", "Deployment", name, spec={"template": {"spec": {"containers": [{"image": image}]}}})

    gone = Side("shop", "shop", copies(pods("shop", "nginx:1.27")), {})
    assert (
        "`formerly: shop`" in with_moves([gone, Side("store", "", {}, copies(pods("store", "nginx:1.28")))])[1].question
    )
    assert with_moves([gone, Side("store", "", {}, copies(pods("store", "redis:7")))])[1].question == ""


# -- readiness ------------------------------------------------------------------------------------


def test_namespace_is_checked_by_the_works_that_karmada_creates_for_it():
    """It has no binding. Regression: a Namespace was never called done."""
    work = {
        "apiVersion": "work.karmada.io/v1alpha1",
        "kind": "Work",
        "metadata": {"name": "billing-1", "namespace": "karmada-es-member1"},
        "spec": {"workload": {"manifests": [NAMESPACE]}},
        "status": {"conditions": [{"type": "Applied", "status": "True"}]},
    }
    clusters = [obj("cluster.karmada.io/v1alpha1", "Cluster", name) for name in ("member1", "member2")]
    check = RolloutCheck([NAMESPACE], {"clusterAffinity": {"clusterNames": ["member1"]}}, [])
    (progress,) = check_once(check, Answers(NAMESPACE, *clusters, work))
    assert progress.done
    everywhere = RolloutCheck([NAMESPACE], {}, [])
    (progress,) = check_once(everywhere, Answers(NAMESPACE, *clusters, work))
    assert [c.waiting_for for c in progress.clusters] == ["", "not sent yet (there is no Work)"]


# -- another version ------------------------------------------------------------------------------


class Accepting:
    """An API server that accepts everything in a dry run."""

    name = "karmada"

    def apply(self, obj, **_options):
        return obj


@pytest.mark.parametrize(
    ("before", "after", "replaces"),
    [
        ("autoscaling/v1", "autoscaling/v2", False),
        ("extensions/v1beta1", "networking.k8s.io/v1", True),
        ("v1", "serving.example.org/v1", True),
    ],
)
def test_another_version_of_a_group_is_an_update_in_place(before, after, replaces):
    """It is the same object of the API server: a replacement would delete it everywhere."""
    old = ResourceState(urn="urn", custom=True, type="t", inputs=obj(before, "Thing", "x"))
    diff = KubernetesProvider(Accepting).diff(old, obj(after, "Thing", "x"))
    assert [(change.text, change.replaces) for change in diff.changes] == [("apiVersion", replaces)]
