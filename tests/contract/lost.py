"""Members that don't answer when they leave, are abandoned or rebuilt, and members that are the same cluster.

The requests of Karmada and of the stack to member2 go through a proxy.
"""

from contextlib import contextmanager

import pytest

from flotilla.kube.objects import ObjectRef, is_true
from tests.contract.broken import EVERYWHERE, behind, image_in
from tests.contract.karmada import await_gone, eventually
from tests.contract.main_job import run, verbs  # noqa: F401 - fixtures
from tests.faults import FaultProxy


@pytest.fixture
def proxied(fleet, tmp_path):
    """A proxy before member2, for the stack and for Karmada."""
    with FaultProxy((fleet.kubeconfigs / "member2.yaml").read_text(), tmp_path, name="member2") as proxy:
        proxy.entry = behind(fleet, proxy)
        yield proxy
        proxy.clear()


def await_ready(fleet, member, *, wanted, seconds=120):
    connection = fleet.connection("karmada")

    def has_wanted_readiness():
        cluster = connection.find(ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", member))
        return cluster is None or is_true(cluster, "Ready") is wanted

    eventually(has_wanted_readiness, seconds=seconds, problem=f"{member} is not {'Ready' if wanted else 'not Ready'}")


@contextmanager
def cleared_afterwards(proxy):
    """Remove the faults at the end, so that the clean-up of the test reaches the member."""
    try:
        yield
    finally:
        proxy.clear()


def test_a_member_that_does_not_answer_leaves_karmada_and_abandon_forgets_the_rest(fleet, proxied, run):  # noqa: F811
    run.write([{"name": "member1"}, proxied.entry], [EVERYWHERE])
    run("up", "--yes")
    refused = run("abandon", "member2", "--yes", expect=1)
    assert "member2 can't be given up: it answers" in str(refused)
    with cleared_afterwards(proxied):
        proxied.close_port()
        await_ready(fleet, "member2", wanted=False)
        run.write([{"name": "member1"}], [{**EVERYWHERE, "replicas": 2}])
        plan = run("preview")
        assert [one["cluster"] for one in plan["unknown"]] == ["member2"]
        done = run("up", "--yes", expect=1)
        assert "7 of its resources are left" in str(done["failures"])
        assert "flotilla abandon member2" in str(done["failures"])
        connection = fleet.connection("karmada")
        assert connection.find(ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "member2")) is None
        assert connection.find(ObjectRef("v1", "Secret", "member2", "karmada-cluster")) is None
        found = fleet.connection("member1").get(ObjectRef("apps/v1", "Deployment", "nginx", "default"))
        assert found["spec"]["replicas"] == 2
        seen = run("abandon", "member2", "--preview-only")
        assert "ServiceAccount karmada-cluster/karmada-member2" in seen["mayStillRun"]
        assert run("abandon", "member2", "--yes")["done"] is True
        run("up", "--yes")
        assert run("drift")["clean"] is True
        assert "has no member 'member2'" in str(run("abandon", "member2", "--yes", expect=1))
    remove_leftovers(fleet, "member2")


def test_abandon_works_before_an_up_has_tried_to_remove_the_member(fleet, proxied, run):  # noqa: F811
    run.write([{"name": "member1"}, proxied.entry], [EVERYWHERE])
    run("up", "--yes")
    with cleared_afterwards(proxied):
        proxied.close_port()
        await_ready(fleet, "member2", wanted=False)
        run.write([{"name": "member1"}], [EVERYWHERE])
        planned = run("abandon", "member2", "--yes")
        assert "Deployment default/nginx" in planned["mayStillRun"]
        run("up", "--yes")
        assert run("drift")["clean"] is True
        run("destroy", "--yes")
    remove_leftovers(fleet, "member2")


def remove_leftovers(fleet, member):
    """Delete in an abandoned member what its owner has to delete when the member answers again."""
    connection = fleet.connection(member)
    for ref in (
        ObjectRef("apps/v1", "Deployment", "nginx", "default"),
        ObjectRef("v1", "Namespace", "karmada-cluster"),
        ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", f"karmada-controller-manager:karmada-{member}"),
        ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", f"karmada-controller-manager:karmada-{member}"),
    ):
        connection.delete(ref)
    await_gone(connection, ObjectRef("v1", "Namespace", "karmada-cluster"), seconds=60)


def test_one_cluster_with_two_member_names_is_refused_and_nothing_is_changed(fleet, run, tmp_path):  # noqa: F811
    """The second name has another address, so `validate` can't detect it; `up` reads the cluster's identity."""
    run.write([{"name": "member1"}], [EVERYWHERE])
    run("up", "--yes")
    connection = fleet.connection("karmada")
    with FaultProxy((fleet.kubeconfigs / "member1.yaml").read_text(), tmp_path, name="twin") as proxy:
        file = fleet.add_kubeconfig("twin", proxy.kubeconfig)
        run.write([{"name": "member1"}, {"name": "twin", "kubeconfig": file}], [EVERYWHERE])
        assert "twin is the same cluster as member1" in str(run("up", "--yes", expect=1))
    assert connection.find(ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "twin")) is None
    run.write([{"name": "member1"}], [EVERYWHERE])
    assert run("preview", "--expect-no-changes")["failures"] == []


def test_a_cluster_that_is_already_joined_is_refused_before_anything_is_changed(fleet, third_member, run):  # noqa: F811
    """Somebody else joined it to this control plane under another name, then to another control plane."""
    run.write([{"name": "member1"}], [EVERYWHERE])
    run("up", "--yes")
    uid = fleet.connection("member3").get(ObjectRef("v1", "Namespace", "kube-system"))["metadata"]["uid"]
    karmada, member = fleet.connection("karmada"), fleet.connection("member3")
    spec = {"syncMode": "Push", "id": uid, "apiEndpoint": "https://127.0.0.1:1"}
    other = {
        "apiVersion": "cluster.karmada.io/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": "other"},
        "spec": spec,
    }
    karmada.create(other, field_manager="somebody")
    run.write([{"name": "member1"}, {"name": "member3"}], [EVERYWHERE])
    try:
        assert "member3 is joined to this control plane already, as Cluster other" in str(run("up", "--yes", expect=1))
    finally:
        karmada.delete(ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "other"), propagation="Background")
    await_gone(karmada, ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "other"))
    within = {"namespace": "karmada-cluster"}
    rbac, called = "rbac.authorization.k8s.io", {"name": "karmada-impersonator"}
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "karmada-impersonator"}
    for obj in (
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "karmada-cluster"}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {**called, **within}},
        {"apiVersion": f"{rbac}/v1", "kind": "ClusterRoleBinding", "metadata": called, "roleRef": role},
    ):
        member.create(obj, field_manager="somebody")
    try:
        assert "member3 is joined to another control plane" in str(run("preview", expect=1))
    finally:
        member.delete(ObjectRef(f"{rbac}/v1", "ClusterRoleBinding", "karmada-impersonator"))
        member.delete(ObjectRef("v1", "Namespace", "karmada-cluster"))
        await_gone(member, ObjectRef("v1", "Namespace", "karmada-cluster"))
    run("up", "--yes")


def test_a_member_that_points_to_another_cluster_leaves_the_old_one_and_joins_the_new_one(fleet, third_member, run):  # noqa: F811
    """The old cluster still answers: `up` removes there what the join and Karmada created.

    An old `formerly` in the stack file has no effect on this.
    """
    former = {"name": "member2", "formerly": "before"}
    run.write([{"name": "member1"}, former], [EVERYWHERE])
    run("up", "--yes")
    moved = {**former, "kubeconfig": str(fleet.kubeconfigs / "member3.yaml")}
    run.write([{"name": "member1"}, moved], [EVERYWHERE])
    plan = run("preview")
    (changed,) = [c for c in plan["clusters"] if c["verb"] != "stays"]
    assert changed["name"] == "member2"
    assert "another cluster" in str(changed)
    run("up", "--yes")
    assert image_in(fleet, "member3") == "nginx:1.27"
    assert image_in(fleet, "member2") is None
    old = fleet.connection("member2")
    assert old.find(ObjectRef("v1", "ServiceAccount", "karmada-member2", "karmada-cluster")) is None
    assert run("preview", "--expect-no-changes")["summary"].keys() == {"same"}
    assert run("drift")["clean"] is True


def test_a_rebuilt_cluster_at_the_same_address_joins_again_and_the_state_forgets_the_old_objects(
    fleet,
    third_member,
    run,  # noqa: F811
    tmp_path,
):
    """The proxy is the address; it forwards first to member2, then to member3."""
    first = (fleet.kubeconfigs / "member2.yaml").read_text()
    second = (fleet.kubeconfigs / "member3.yaml").read_text()
    with FaultProxy(first, tmp_path / "one", name="member2") as proxy:
        run.write([{"name": "member1"}, behind(fleet, proxy)], [EVERYWHERE])
        run("up", "--yes")
        proxy.lead_to(second)
        plan = run("preview")
        assert "another cluster" in str([c for c in plan["clusters"] if c["name"] == "member2"])
        run("up", "--yes")
        assert image_in(fleet, "member3") == "nginx:1.27"
        assert run("preview", "--expect-no-changes")["unknown"] == []
        run("destroy", "--yes")
    remove_leftovers(fleet, "member2")
