"""Renamed workloads and members, objects that move, changed API versions, namespaces and definitions.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import pytest
import yaml

from flotilla.karmada.joining import renaming
from flotilla.kube.connection import KindNotServed
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.objects import pods

DEPLOYMENT = ObjectRef("apps/v1", "Deployment", "shop", "default")
CONFIG = ObjectRef("v1", "ConfigMap", "shop", "default")
BOTH = ("member1", "member2")
SHOP = pods("shop", replicas=2)
SETTINGS = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}, "data": {"colour": "red"}}


def scaler(version, **spec):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    return {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "shop"},
        "spec": {"minReplicas": 2, "maxReplicas": 3, "scaleTargetRef": target, **spec},
    }


@pytest.fixture
def run(verbs, shared_stack):  # noqa: F811
    """Run verbs; remove all workloads at the end, and keep the members joined."""
    yield verbs
    verbs.write(members(*BOTH), [])
    verbs("up", "--yes")


@pytest.fixture
def stack(fleet, run):
    """Write files of manifests, and the stack file that lists them."""

    def write(*workloads):
        listed = []
        for name, objects, clusters, more in workloads:
            file = fleet.project / f"{name}.yaml"
            file.write_text(yaml.safe_dump_all(objects))
            entry = {"name": name, "manifests": [str(file)], "placement": {"clusters": list(clusters)}, "timeout": 90}
            listed.append({**entry, **more})
        run.write(members(*BOTH), listed)

    return write


def workload(name, objects, clusters=BOTH, **more):
    return name, objects, clusters, more


def uids(fleet, *refs):
    """Return the UIDs of templates, copies and pods, which a move must not change."""
    found = {}
    for cluster in ("karmada", *BOTH):
        connection = fleet.connection(cluster)
        for ref in refs:
            live = connection.find(ref)
            found[cluster, str(ref)] = live and live["metadata"]["uid"]
        if cluster != "karmada":
            pods = connection.list("v1", "Pod", namespace="default")
            found[cluster, "pods"] = sorted(pod["metadata"]["uid"] for pod in pods)
    return found


def policies(fleet):
    listed = fleet.connection("karmada").list("policy.karmada.io/v1alpha1", "PropagationPolicy", namespace="default")
    return sorted(policy["metadata"]["name"] for policy in listed)


def assert_no_changes(run):
    run("preview", "--expect-no-changes")
    run("preview", "--refresh", "--expect-no-changes")


def test_a_renamed_workload_keeps_its_templates_copies_and_pods(fleet, run, stack):
    stack(workload("shop", [SHOP, SETTINGS]))
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT, CONFIG)
    stack(workload("store", [SHOP, SETTINGS]))
    plan = run("preview")
    (store,) = plan["workloads"]
    assert (store["name"], store["origin"], store["verb"]) == ("store", "formerly shop", "stays")
    run("up", "--yes")
    assert uids(fleet, DEPLOYMENT, CONFIG) == before
    assert policies(fleet) == ["store"]
    assert_no_changes(run)


def test_a_renamed_workload_takes_another_placement(fleet, run, stack):
    """As long as the old policy exists it claims the templates, and the rollout would never complete."""
    stack(workload("shop", [SHOP, SETTINGS], ["member1"]))
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT)
    stack(workload("store", [SHOP, SETTINGS]))
    (store,) = run("preview")["workloads"]
    assert (store["origin"], [c["verb"] for c in store["clusters"]]) == ("formerly shop", ["stays", "new"])
    run("up", "--yes")
    after = uids(fleet, DEPLOYMENT)
    for kept in (("karmada", str(DEPLOYMENT)), ("member1", str(DEPLOYMENT)), ("member1", "pods")):
        assert after[kept] == before[kept]
    assert after["member2", str(DEPLOYMENT)]
    assert policies(fleet) == ["store"]
    assert_no_changes(run)


def test_a_workload_with_formerly_is_renamed_without_a_change_in_karmada(fleet, run, stack):
    """Otherwise the policies of both names would add the arguments of the override, so twice."""
    more = {"overrides": [{"clusters": ["member2"], "args": ["-q"], "container": "shop"}]}
    stack(workload("shop", [SHOP], **more))
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT)
    stack(workload("store", [SHOP], **more))
    assert "formerly: shop" in run("preview")["workloads"][0]["question"]
    stack(workload("store", [SHOP], formerly="shop", **more))
    plan = run("preview")
    assert plan["workloads"][0]["origin"] == "formerly shop"
    assert plan["objects"] == {}
    run("up", "--yes")
    assert uids(fleet, DEPLOYMENT) == before
    assert policies(fleet) == ["shop"]
    assert_no_changes(run)


def test_a_renamed_workload_declared_by_its_image_keeps_its_deployment(fleet, run):
    shop = {"name": "shop", "image": "nginx:1.27", "replicas": 2, "placement": {"clusters": list(BOTH)}}
    run.write(members(*BOTH), [shop])
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT)
    run.write(members(*BOTH), [{**shop, "name": "store"}])
    store = next(w for w in run("preview")["workloads"] if w["name"] == "store")
    assert "formerly: shop" in store["question"]
    run.write(members(*BOTH), [{**shop, "name": "store", "formerly": "shop"}])
    (store,) = run("preview")["workloads"]
    assert store["verb"] == "stays"
    run("up", "--yes")
    assert uids(fleet, DEPLOYMENT) == before
    assert_no_changes(run)


def test_an_object_moves_to_another_workload_and_its_placement(fleet, run, stack):
    stack(workload("shop", [SHOP, SETTINGS]))
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT, CONFIG)
    stack(workload("shop", [SHOP]), workload("settings", [SETTINGS]))
    plan = {w["name"]: w for w in run("preview")["workloads"]}
    assert plan["settings"]["origin"] == "takes over ConfigMap default/shop from shop"
    assert {w["verb"] for w in plan.values()} == {"stays"}
    run("up", "--yes")
    assert uids(fleet, DEPLOYMENT, CONFIG) == before
    assert_no_changes(run)
    stack(workload("shop", [SHOP]), workload("settings", [SETTINGS], ["member1"]))
    run("up", "--yes")
    after = uids(fleet, DEPLOYMENT, CONFIG)
    assert after["member1", str(CONFIG)] == before["member1", str(CONFIG)]
    assert after["member2", str(CONFIG)] is None
    stack(workload("shop", [SHOP, SETTINGS]))
    run("up", "--yes")
    again = uids(fleet, DEPLOYMENT, CONFIG)
    assert again["member1", str(CONFIG)] == before["member1", str(CONFIG)]
    assert again["member2", str(CONFIG)]


def test_another_api_version_of_an_object_is_an_update_in_place(fleet, run, stack):
    """The kind is custom, because Karmada sends the built-in kinds in one version only."""
    definition = crd("Gauge", "gauges", ["v1beta1"])
    gauge = {"apiVersion": "moves.example.org/v1beta1", "kind": "Gauge", "metadata": {"name": "one"}, "spec": {"a": 1}}
    ref = ObjectRef("moves.example.org/v1", "Gauge", "one", "default")
    stack(workload("gauges", [definition, gauge]))
    run("up", "--yes")
    old = ref._replace(api_version="moves.example.org/v1beta1")
    before = {name: fleet.connection(name).get(old)["metadata"]["uid"] for name in ("karmada", *BOTH)}
    newer = crd("Gauge", "gauges", ["v1", "v1beta1"])
    stack(workload("gauges", [newer, {**gauge, "apiVersion": "moves.example.org/v1"}]))
    plan = run("preview")
    assert "apiVersion moves.example.org/v1beta1 → moves.example.org/v1" in str(plan["workloads"])
    assert "create" not in plan["summary"]
    assert "delete" not in plan["summary"]
    run("up", "--yes")
    assert {name: fleet.connection(name).get(ref)["metadata"]["uid"] for name in ("karmada", *BOTH)} == before
    assert_no_changes(run)


def crd(kind, plural, versions, *, group="moves.example.org", scope="Namespaced"):
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": version, "served": True, "storage": version == versions[-1], "schema": schema}
                for version in versions
            ],
        },
    }


def test_one_workload_can_declare_a_namespace_and_the_objects_in_it(fleet, run, stack):
    """The policies are in the namespace, too: `up` creates it first, and waits until every chosen member has it."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "moves-billing"}}
    stack(workload("billing", [SETTINGS, namespace], namespace="moves-billing"))
    run("up", "--yes")
    for member in BOTH:
        assert fleet.connection(member).find(CONFIG._replace(namespace="moves-billing"))
    assert_no_changes(run)
    run("destroy", "--yes")
    assert fleet.connection("karmada").find(ObjectRef("v1", "Namespace", "moves-billing")) is None


def test_a_namespace_is_created_before_another_workload_that_uses_it(fleet, run, stack):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "moves-tenant"}}
    stack(workload("a", [SETTINGS], namespace="moves-tenant"), workload("z", [namespace]))
    run("up", "--yes")
    for member in BOTH:
        assert fleet.connection(member).find(CONFIG._replace(namespace="moves-tenant"))
    assert_no_changes(run)


def test_one_workload_can_declare_a_custom_resource_definition_and_its_objects(fleet, run, stack):
    """The workload has a custom cluster-scoped object and two built-in cluster-scoped objects."""
    rule = {"apiVersion": "rules.example.org/v1", "kind": "HouseRule", "metadata": {"name": "tags"}, "spec": {"a": 1}}
    driver = {"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": "none.example.org"}}
    driver["spec"] = {"attachRequired": False}
    definition = crd("HouseRule", "houserules", ["v1"], group="rules.example.org", scope="Cluster")
    stack(workload("scopes", [rule, driver, definition]))
    plan = run("preview")
    assert "HouseRule tags" in str(plan["workloads"])
    run("up", "--yes")
    for member in BOTH:
        connection = fleet.connection(member)
        assert connection.find(ObjectRef("rules.example.org/v1", "HouseRule", "tags"))
        assert connection.find(ObjectRef("storage.k8s.io/v1", "CSIDriver", "none.example.org"))
    assert_no_changes(run)
    run("destroy", "--yes")
    assert fleet.connection("member1").find(ObjectRef("storage.k8s.io/v1", "CSIDriver", "none.example.org")) is None


def test_the_scope_of_a_kind_without_a_declared_definition_is_discovered(fleet, run, stack):
    """The manifests have no definition, so discovery has to report that the kind is cluster-scoped."""
    definition = crd("Badge", "badges", ["v1"], group="badges.example.org", scope="Cluster")
    for name in ("karmada", *BOTH):
        fleet.connection(name).apply(definition, field_manager="somebody")
    try:
        badge = {"apiVersion": "badges.example.org/v1", "kind": "Badge", "metadata": {"name": "gold"}, "spec": {"a": 1}}
        stack(workload("badges", [badge]))
        wait_for_kind(fleet, "badges.example.org/v1", "Badge")
        run("up", "--yes")
        assert fleet.connection("member1").find(ObjectRef("badges.example.org/v1", "Badge", "gold"))
        assert_no_changes(run)
        run("destroy", "--yes")
    finally:
        for name in ("karmada", *BOTH):
            fleet.connection(name).delete(
                ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "badges.badges.example.org")
            )


def names_of_clusters(fleet):
    listed = fleet.connection("karmada").list("cluster.karmada.io/v1alpha1", "Cluster")
    return sorted(cluster["metadata"]["name"] for cluster in listed)


def named(fleet, name, former=None):
    """Return the members, with the cluster of member2 under another name."""
    kubeconfig = str(fleet.kubeconfigs / "member2.yaml")
    return [{"name": "member1"}, {"name": name, "kubeconfig": kubeconfig, **({"formerly": former} if former else {})}]


def test_a_renamed_member_keeps_its_copies_and_pods(fleet, run):
    """Earlier, a renamed member left and joined, so Karmada deleted its copies and created them again."""
    deployment, divided = fleet.project / "shop.yaml", fleet.project / "store.yaml"
    deployment.write_text(yaml.safe_dump_all([SHOP, SETTINGS]))
    divided.write_text(yaml.safe_dump({**SHOP, "metadata": {"name": "store"}}))
    refs = (DEPLOYMENT, CONFIG, ObjectRef("apps/v1", "Deployment", "store", "default"))

    def on(name):
        weights = {"clusters": ["member1", name], "replicas": "divided", "weights": {"member1": 1, name: 1}}
        return [
            {"name": "shop", "manifests": [str(deployment)], "placement": {"clusters": ["member1", name]}},
            {"name": "store", "manifests": [str(divided)], "placement": weights},
        ]

    run.write(members(*BOTH), on("member2"))
    run("up", "--yes")
    before = uids(fleet, *refs)
    run.write(named(fleet, "edge"), on("edge"))
    assert "add `formerly: member2`" in str(run("preview", expect=1)["failures"])
    run.write(named(fleet, "edge", "member2"), on("edge"))
    plan = run("preview")
    assert [(c["name"], c["verb"]) for c in plan["clusters"]] == [
        ("edge", "joins"),
        ("member1", "stays"),
        ("member2", "leaves"),
    ]
    assert plan["clusters"][0]["details"][0] == "formerly member2: its copies stay"
    assert {one["verb"] for work in plan["workloads"] for one in work["clusters"]} == {"stays"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(renaming, "stays_ready", lambda *_args, **_keys: True)
        failed = run("up", "--yes", expect=1)
    assert "Karmada still reaches member2" in str(failed["failures"])
    assert uids(fleet, *refs) == before, (
        "as long as the former name is reached, nothing that could delete copies changes"
    )
    assert names_of_clusters(fleet) == ["member1", "member2"]
    run("up", "--yes")
    assert uids(fleet, *refs) == before
    assert names_of_clusters(fleet) == ["edge", "member1"]
    assert_no_changes(run)
    assert run("drift")["findings"] == []
    run.write(named(fleet, "edge"), on("edge"))
    assert_no_changes(run)  # `formerly` can be removed

    # Karmada reaches the member under its new name; renaming it back works in the same way.
    run.write(named(fleet, "member2", "edge"), on("member2"))
    run("up", "--yes")
    assert uids(fleet, *refs) == before
    assert_no_changes(run)


def wait_for_kind(fleet, api_version, kind):
    """Wait until the control plane serves a kind: the API server serves it a moment after its definition exists."""
    connection = fleet.connection("karmada")

    def served():
        try:
            return connection.resource(api_version, kind)
        except KindNotServed:
            return None

    eventually(served)


def test_a_state_with_old_template_names_is_migrated_without_changes(fleet, run, stack):
    """Older states name a template `<workload>-<kind>-<name>`; this causes neither a change nor a new object."""
    stack(workload("shop", [SHOP, SETTINGS]))
    run("up", "--yes")
    before = uids(fleet, DEPLOYMENT, CONFIG)
    (state,) = (fleet.project / ".flotilla" / "state").rglob("sandbox.json")
    text = state.read_text()
    for name in ("deployment-default/shop", "configmap-default/shop"):
        assert f"::{name}" in text
        text = text.replace(f"::{name}", f"::shop-{name.replace('default/', '')}")
    state.write_text(text)
    run("preview", "--expect-no-changes")
    run("up", "--yes")
    assert "::deployment-default/shop" in state.read_text()
    assert uids(fleet, DEPLOYMENT, CONFIG) == before
    assert_no_changes(run)
