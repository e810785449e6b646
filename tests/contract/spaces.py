"""Workloads with objects of several namespaces and of none; workloads with `after`.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

import datetime as dt

from flotilla.kube.objects import ObjectRef, condition, ref_of
from tests.contract.karmada import eventually
from tests.contract.main_job import KINDS, everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, assert_no_changes, run, stack, workload  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods

FRONT, BACK = "spaces-front", "spaces-back"
POLICY = "policy.karmada.io/v1alpha1"
LEFT = (*KINDS, ("v1", "ConfigMap"))


def settings(namespace=None):
    return obj("v1", "ConfigMap", "settings", namespace, data={"of": namespace or "the workload's own"})


SHOP = (
    settings(),
    settings(BACK),
    pods("web"),
    pods("web", BACK),
    obj(
        "rbac.authorization.k8s.io/v1",
        "ClusterRole",
        "spaces-reader",
        rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
    ),
    obj("v1", "Namespace", FRONT),
    obj("v1", "Namespace", BACK),
)


DATABASE = workload("database", [pods("database", "default")])


def policies(fleet):
    """Return kind, namespace and name of all policies, namespaced and cluster-wide."""
    connection = fleet.connection("karmada")
    kinds = ("PropagationPolicy", "OverridePolicy", "ClusterPropagationPolicy", "ClusterOverridePolicy")
    found = [(kind, one["metadata"]) for kind in kinds for one in connection.list(POLICY, kind)]
    return sorted((kind, meta.get("namespace", ""), meta["name"]) for kind, meta in found)


def assert_clean(run):
    assert_no_changes(run)
    assert run("drift")["findings"] == []


def copies_of(fleet, name):
    """Return the UIDs of the copies of a Deployment and of its template."""
    refs = [ObjectRef("apps/v1", "Deployment", name, namespace) for namespace in (FRONT, BACK)]
    clusters = {cluster: fleet.connection(cluster) for cluster in ("karmada", *BOTH)}
    found = {(name, ref): connection.find(ref) for name, connection in clusters.items() for ref in refs}
    return {key: live["metadata"]["uid"] for key, live in found.items() if live}


def test_one_workload_can_declare_two_namespaces_their_objects_and_a_cluster_role(fleet, run, stack):
    """Each namespace gets its own policies. Earlier, Flotilla refused objects of a second namespace."""
    run.write(members(*BOTH), [])
    run("up", "--yes")
    before = everything(fleet, LEFT)
    differs = [{"clusters": ["member2"], "labels": {"site": "two"}}]
    stack(workload("shop", SHOP, namespace=FRONT, overrides=differs))
    (plan,) = run("preview")["workloads"]
    assert {(one["kind"], one["namespace"], one["name"], one["verb"]) for one in plan["policies"]} == {
        (kind, namespace, name, "new")
        for pair, namespace, name in (
            (("PropagationPolicy", "OverridePolicy"), FRONT, "shop"),
            (("PropagationPolicy", "OverridePolicy"), BACK, f"shop.{BACK}"),
            (("ClusterPropagationPolicy", "ClusterOverridePolicy"), "", "shop"),
        )
        for kind in pair
    }
    run("up", "--yes")
    for cluster in BOTH:
        connection = fleet.connection(cluster)
        for namespace, said in ((FRONT, "the workload's own"), (BACK, BACK)):
            found = connection.get(ObjectRef("v1", "ConfigMap", "settings", namespace))
            assert found["data"] == {"of": said}
            assert found["metadata"]["labels"].get("site") == ("two" if cluster == "member2" else None)
        role = connection.get(ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "spaces-reader"))
        assert role["metadata"]["labels"].get("site") == ("two" if cluster == "member2" else None)
    assert_clean(run)

    # Another namespace of the workload only exchanges the names of the policies: no object is created again.
    uids = copies_of(fleet, "web")
    assert len(uids) == 6
    named = [{**one, "metadata": {"namespace": FRONT, **one["metadata"]}} for one in SHOP[:4]]
    stack(workload("shop", [*named, *SHOP[4:]], namespace=BACK, overrides=differs))
    (plan,) = run("preview")["workloads"]
    assert plan["verb"] == "stays"
    run("up", "--yes")
    assert copies_of(fleet, "web") == uids
    assert [one for one in policies(fleet) if one[0] == "PropagationPolicy"] == [
        ("PropagationPolicy", BACK, "shop"),
        ("PropagationPolicy", FRONT, f"shop.{FRONT}"),
    ]
    assert_clean(run)

    # An object that moves to another namespace is another object.
    moved = [{**one, "metadata": {**one["metadata"], "namespace": BACK}} for one in (pods("web", BACK), settings(BACK))]
    stack(workload("shop", [*moved, *SHOP[4:]], namespace=BACK, overrides=differs))
    plan = run("preview")["workloads"][0]
    assert f"ConfigMap {FRONT}/settings is removed" in plan["clusters"][0]["details"]
    run("up", "--yes")
    eventually(lambda: [ref.namespace for _, ref in copies_of(fleet, "web")] == [BACK] * 3)
    assert_clean(run)

    run.write(members(*BOTH), [])
    run("up", "--yes")
    assert policies(fleet) == []
    assert everything(fleet, LEFT) == before


def timestamp(text):
    return dt.datetime.fromisoformat(text)


def test_a_workload_with_after_is_created_when_the_other_rollout_is_complete(fleet, run, stack):
    stack(workload("web", [pods("web", "default")], after=["database"]), DATABASE)
    plan = {one["name"]: one for one in run("preview")["workloads"]}
    assert (plan["web"]["after"], "after" in plan["database"]) == (["database"], False)
    run("up", "--yes")
    ready = max(available(fleet, cluster, "database") for cluster in BOTH)
    karmada = fleet.connection("karmada")
    first = [
        karmada.get(ObjectRef(POLICY, "PropagationPolicy", "web", "default")),
        karmada.get(ObjectRef("apps/v1", "Deployment", "web", "default")),
    ]
    assert min(timestamp(one["metadata"]["creationTimestamp"]) for one in first) >= ready
    assert_clean(run)


def available(fleet, cluster, name):
    live = fleet.connection(cluster).get(ObjectRef("apps/v1", "Deployment", name, "default"))
    return timestamp(condition(live, "Available")["lastTransitionTime"])


def test_a_workload_after_a_failed_one_stays_unchanged_and_the_next_run_continues(fleet, run, stack):
    """The first workload fails because no node matches its selector. A workload without `after` doesn't wait."""
    nowhere = pods("database", "default", nodeSelector={"example.org/none": "none"})
    nowhere["spec"]["strategy"] = {"type": "Recreate"}
    ill = workload("database", [nowhere], timeout=8)
    around = [obj("v1", "Namespace", FRONT), settings(FRONT)]
    web = workload("web", [*around, pods("web", "default")], after=["database"])
    beside = workload("beside", [settings("default")])
    stack(web, ill, beside)
    (failure,) = run("up", "--yes", expect=1)["failures"]
    assert "workload database is not healthy everywhere after 8 s" in failure
    karmada = fleet.connection("karmada")
    for ref in (ObjectRef("apps/v1", "Deployment", "web", "default"), ObjectRef("v1", "Namespace", FRONT)):
        assert karmada.find(ref) is None
    assert [name for _, _, name in policies(fleet) if name.startswith("web")] == []
    assert fleet.connection("member1").find(ObjectRef("v1", "ConfigMap", "settings", "default"))
    stack(web, DATABASE, beside)
    run("up", "--yes")
    for cluster in BOTH:
        assert fleet.connection(cluster).find(ObjectRef("apps/v1", "Deployment", "web", "default"))
    assert_clean(run)

    # If a later change of the first workload fails, the workload after it stays unchanged, too.
    stack(workload("web", [*around, pods("web", "default", priority=0)], after=["database"]), ill, beside)
    uid = karmada.get(ObjectRef("apps/v1", "Deployment", "web", "default"))["metadata"]
    run("up", "--yes", expect=1)
    now = karmada.get(ObjectRef("apps/v1", "Deployment", "web", "default"))["metadata"]
    assert (now["uid"], now["generation"]) == (uid["uid"], uid["generation"])


def work_of(fleet, name, member):
    """Return the Work that sends a Deployment to a member."""
    for work in fleet.connection("karmada").list("work.karmada.io/v1alpha1", "Work", namespace=f"karmada-es-{member}"):
        for manifest in work["spec"]["workload"]["manifests"]:
            if (manifest["kind"], manifest["metadata"]["name"]) == ("Deployment", name):
                return work
    raise AssertionError(f"no Work carries Deployment {name} to {member}")


def test_a_workload_with_after_is_deleted_before_the_other_workload(fleet, run, stack):
    """A finalizer keeps a Work of the workload with `after`: until it is deleted, the database stays unchanged.

    Karmada deletes the binding earlier, so only the Works show that the copy still exists.
    """
    stack(workload("web", [pods("web", "default")], after=["database"], timeout=10), DATABASE)
    run("up", "--yes")
    karmada, work = fleet.connection("karmada"), work_of(fleet, "web", "member1")
    keeps = [*work["metadata"]["finalizers"], "example.org/stays"]
    karmada.patch(ref_of(work), {"metadata": {"finalizers": keeps}})
    run.write(members(*BOTH), [])
    database = ObjectRef("apps/v1", "Deployment", "database", "default")
    try:
        failed = run("up", "--yes", expect=1)
        assert "Deployment default/web in member1" in str(failed["failures"])
        for cluster in ("karmada", *BOTH):
            live = fleet.connection(cluster).find(database)
            assert live, cluster
            assert not live["metadata"].get("deletionTimestamp")
    finally:
        karmada.patch(ref_of(work), {"metadata": {"finalizers": None}})
    run("up", "--yes")
    eventually(lambda: not any(fleet.connection(one).find(database) for one in ("karmada", *BOTH)))


def test_unknown_names_and_cycles_in_after_are_refused(run, stack):
    plain = [settings("default")]
    stack(workload("web", plain, after=["database"]), workload("database", [settings("other")], after=["web"]))
    refused = run("preview", expect=2)["error"]
    assert "makes a cycle: web is after database, database is after web" in refused
    stack(workload("web", plain, after=["nobody"]))
    assert "is not a workload of this stack" in run("up", "--yes", expect=2)["error"]
    stack()
