"""A few lists read the status into a snapshot, which rollouts, views, drift and withdrawals then evaluate."""

import gc
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml

from flotilla.deploy.declared import Declared
from flotilla.drift.check import Limits, check_drift
from flotilla.drift.members import sent_to
from flotilla.drift.propagation import check_clusters, check_rollout, check_unclaimed
from flotilla.errors import ClusterError
from flotilla.karmada.status import sharing
from flotilla.karmada.status.reading import read_all, read_fleet, read_for, read_left, read_sent
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.sharing import SharedReader, shared_reader
from flotilla.karmada.status.snapshot import Snapshot, binding_ref, binding_views
from flotilla.karmada.status.withdrawal import holders
from flotilla.kube.connection import ApiError, KindNotServed, Unreachable
from flotilla.kube.objects import ref_of
from flotilla.observe.fleet import fleet_status
from flotilla.observe.workloads import copies_in
from tests.unit.conftest import KUBECONFIG
from tests.unit.planes import EVERYWHERE, POLICY_ID, Plane, binding, check_once, cluster, done, live, web, work

SPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def check(declared, *members):
    return RolloutCheck(declared, EVERYWHERE, [], {name: {"id": name, "unanswered": ""} for name in members})


def named(members):
    return [f"m{number}" for number in range(members)]


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("templates", "members"), [(1, 1), (3, 2), (20, 50)])
def test_number_of_requests_is_independent_of_templates_and_clusters(templates, members):
    """Regression: each template cost three requests per look, and a fourth one for its claim."""
    declared, objects = done(templates, members)
    plane = Plane(*objects)
    progress = check_once(check(declared, *named(members)), plane)
    assert all(one.done and len(one.clusters) == members for one in progress)
    assert plane.requests == 4


def test_several_kinds_and_namespaces_cost_one_list_each():
    declared, objects = done(8, 2)
    moved = [{**one, "metadata": {**one["metadata"], "namespace": "other"}} for one in declared[4:]]
    plane = Plane(*objects, *(live(one) for one in moved))
    snapshot = read_for(plane, [*declared[:4], *moved])
    assert len(snapshot.templates) == 8
    assert plane.asked["list", "Deployment"] == 2
    assert plane.asked["find", "Deployment"] == 0


def test_template_that_no_policy_has_claimed_is_read_singly():
    declared, objects = done(4, 1)
    free = web("free")
    snapshot = read_for(plane := Plane(*objects, live(free, claimed=False)), [*declared, free])
    assert len(snapshot.templates) == 5
    assert plane.asked["find", "Deployment"] == 1
    assert "no policy has claimed it yet" in check([free]).progress(snapshot)[0].waiting_for


def test_missing_bindings_cost_one_list():
    """While Karmada processes many templates, each template without a binding would cost a request per look."""
    declared, objects = done(20, 2)
    late = {ref_of(one) for one in objects if one["kind"] == "ResourceBinding"} - {binding_ref(ref_of(declared[0]))}
    plane = Plane(*(one for one in objects if ref_of(one) not in late))
    progress = check_once(check(declared, *named(2)), plane)
    assert sum(one.done for one in progress) == 1
    assert plane.requests == 5
    renamed = binding(declared[3], named(2))
    renamed["metadata"]["labels"][POLICY_ID] = "the policy of before"
    plane.objects[ref_of(renamed)] = renamed
    assert sum(one.done for one in check_once(check(declared, *named(2)), plane)) == 2


def test_long_selector_is_split_into_several_lists():
    """Proxies and servers refuse a URL with hundreds of values."""
    declared, objects = done(120, 1)
    plane = Plane(*objects)
    assert all(one.done for one in check_once(check(declared, "m0"), plane))
    assert plane.asked["list", "Work"] == 3


def test_works_of_namespaces_are_found_by_one_list_for_all_clusters():
    """Regression: each cluster's execution namespace was listed, for every namespace and look."""
    odd = work({"metadata": {"name": "neither kind nor version"}}, "m8")
    plane = Plane(SPACE, *(cluster(name) for name in named(9)), *(work(SPACE, name) for name in named(8)), odd)
    (progress,) = check_once(check([SPACE], *named(9)), plane)
    assert [one.cluster for one in progress.clusters if not one.done] == ["m8"]
    assert plane.asked == {("list", "Cluster"): 1, ("find", "Namespace"): 1, ("list", "Work"): 1}


def test_unreadable_object_does_not_hide_others():
    declared, objects = done(2, 1)
    plane = Plane(*objects)
    plane.failing = {ref_of(declared[0]): ApiError("forbidden", status=403)}
    snapshot = read_for(plane, declared)
    assert check(declared[1:], "m0").progress(snapshot)[0].done
    with pytest.raises(ApiError, match="forbidden"):
        check(declared, "m0").progress(snapshot)


def test_control_plane_that_does_not_answer_is_not_asked_further():
    declared, objects = done(2, 1)
    plane = Plane(*objects)
    silent = Unreachable("no answer", status=0)
    plane.failing = {ref_of(one): silent for one in declared}
    assert silent.whole_cluster
    with pytest.raises(Unreachable):
        read_for(plane, declared)
    assert plane.asked["find", "Deployment"] == 1


def test_status_reads_five_lists_and_a_look_at_copies_four():
    _, objects = done(6, 7)
    plane = Plane(*objects, work(SPACE, "m0"))
    seen = fleet_status(plane)
    assert (len(seen.members), len(seen.workloads), seen.summary["copiesHealthy"]) == (7, 42, 42)
    assert plane.requests == 5
    plane.asked.clear()
    assert len(copies_in(read_sent(plane))) == 42
    assert plane.requests == 4


class Slow(Plane):
    """A control plane whose lists wait until the gate is opened."""

    def __init__(self, *objects):
        super().__init__(*objects)
        self.gate, self.entered = threading.Event(), threading.Event()

    def list(self, *args, **keys):
        self.entered.set()
        assert self.gate.wait(10)
        return super().list(*args, **keys)


def test_parallel_rollouts_share_their_reads():
    """Regression: ten workloads sent ten times the requests of one."""
    declared, objects = done(10, 3)
    plane = Slow(*objects)
    reader = SharedReader(plane)
    with ThreadPoolExecutor(max_workers=10) as pool:
        looks = [pool.submit(reader.read_for, [declared[0]])]
        assert plane.entered.wait(10)
        looks += [pool.submit(reader.read_for, [one]) for one in declared[1:]]
        end = time.monotonic() + 10
        while (reader._next is None or len(reader._next.declared) < 9) and time.monotonic() < end:
            time.sleep(0.01)
        plane.gate.set()
        for one, look in zip(declared, looks, strict=True):
            assert check([one], *named(3)).progress(look.result(10))[0].done
    assert plane.asked["list", "Cluster"] == 2
    assert reader.read_for(declared[:1]) is not looks[0].result(), "a later question is answered again"


def test_failed_shared_read_fails_for_all_and_the_next_one_is_sent():
    declared, objects = done(1, 1)
    plane = Plane(*objects)
    plane.failing = {ref_of(declared[0]): Unreachable("no answer", status=0)}
    reader = SharedReader(plane)
    with pytest.raises(Unreachable):
        reader.read_for(declared)
    plane.failing = {}
    assert check(declared, "m0").progress(reader.read_for(declared))[0].done


def test_reader_of_a_control_plane_lives_as_long_as_it_is_used():
    text = yaml.safe_dump(KUBECONFIG)
    reader = shared_reader(text)
    assert shared_reader(text) is reader
    del reader
    gc.collect()
    assert text not in sharing._readers


# -- one snapshot for all views --------------------------------------------------------------------------------------


def test_rollout_status_and_drift_agree_on_the_same_snapshot():
    declared, objects = done(1, 3)
    refused = work(declared[0], "m1", identity="id-web-0", applied="False", message="quota exceeded")
    bound = binding(declared[0], named(3), healthy=["m0", "m2"])
    plane = Plane(*objects, refused, bound)
    snapshot = read_all(plane, [ref_of(one) for one in declared])
    (progress,) = check(declared, *named(3)).progress(snapshot)
    assert [one.waiting_for for one in progress.clusters] == ["", "not applied: quota exceeded", ""]
    (finding,) = check_rollout(snapshot, "web", check(declared, *named(3)))
    assert (finding.cluster, finding.message) == ("m1", "workload web: not applied: quota exceeded")
    (worst, *_) = copies_in(snapshot)
    assert (worst.cluster, worst.health, worst.reason) == ("m1", "Pending", "quota exceeded")
    assert [len(sent_to(snapshot, name)) for name in named(3)] == [1, 0, 1]


def test_replicas_that_a_member_owns_are_compared_with_its_own_number():
    """Regression: an autoscaler scaled two replicas to five, and the copy was shown as 5/2."""
    one = web()
    labels = {**one["metadata"]["labels"], "resourcetemplate.karmada.io/retain-replicas": "true"}
    retained = {**one, "metadata": {**one["metadata"], "labels": labels}}
    for declared, desired in ((retained, 5), (one, 2)):
        bound = binding(declared, ["m0"])
        bound["status"]["aggregatedStatus"][0]["status"] = {"replicas": 5, "readyReplicas": 5}
        sent = work(declared, "m0", identity="id-web")
        (copy,) = copies_in(read_sent(Plane(cluster("m0"), live(declared), bound, sent)))
        assert (copy.ready, copy.desired) == (5, desired)


def test_karmadas_own_definitions_are_no_unclaimed_templates():
    """Regression: for a stack with a definition, each of Karmada's own definitions was reported as running nowhere."""

    def definition(name):
        group = name.partition(".")[2]
        kind = "CustomResourceDefinition"
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"group": group},
        }

    ours, own, other = (definition(n) for n in ("a.example.org", "works.work.karmada.io", "b.example.org"))
    mcs = definition("serviceexports.multicluster.x-k8s.io")
    declared = Declared(rollouts={"a": check([ours])})
    found = check_unclaimed(Plane(live(ours), own, other, mcs), declared, Snapshot())
    assert [one.object for one in found] == ["CustomResourceDefinition b.example.org"]


def test_cluster_roles_of_a_control_plane_are_no_unclaimed_templates():
    """Regression: for a stack with a ClusterRole, those of Kubernetes and Karmada were reported as running nowhere."""

    def role(name):
        return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}}

    ours = role("reader")
    plane = Plane(live(ours), role("cluster-admin"), role("system:karmada:agent-rbac-generator"))
    assert check_unclaimed(plane, Declared(rollouts={"a": check([ours])}), Snapshot()) == []


def test_declared_control_plane_objects_are_no_unclaimed_templates():
    sent, kept, other = (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n, "namespace": "a"}} for n in "sko"
    )
    declared = Declared(objects={"karmada": [sent, kept]}, rollouts={"a": check([sent])})
    found = check_unclaimed(Plane(live(sent), kept, other), declared, Snapshot())
    assert [one.object for one in found] == ["ConfigMap a/o"]


def test_drift_reads_the_control_plane_once_for_all_members(monkeypatch):
    """Regression: the check of each member listed its Works, and that of each template its binding."""
    declared, objects = done(4, 6)
    plane = Plane(*objects)
    found = Declared(
        kubeconfigs=dict.fromkeys(["karmada", *named(6)], "k"),
        rollouts={"web": check(declared, *named(6))},
        members=tuple(named(6)),
    )
    member = Plane(*declared)
    monkeypatch.setattr("flotilla.drift.check._access", lambda _, name: plane if name == "karmada" else member)
    for name in (
        "check_certificates",
        "find_wider_rights",
        "check_access",
        "find_unwanted",
        "list_policies",
        "check_unclaimed",
    ):
        monkeypatch.setattr(f"flotilla.drift.check.{name}", lambda *_: [])
    report = check_drift(found, Limits(second_look=0))
    assert (report.findings, report.unknown) == ((), ())
    assert plane.asked == {
        ("list", "Cluster"): 1,
        ("list", "Deployment"): 1,
        ("list", "ResourceBinding"): 1,
        ("list", "ClusterResourceBinding"): 1,
        ("list", "Work"): 1,
    }


def test_members_that_are_not_ready_are_findings():
    snapshot = Snapshot((cluster("m0"), cluster("m1", ready=False)))
    declared = Declared(rollouts={"web": RolloutCheck([], {"clusterAffinity": {"clusterNames": ["m9"]}}, [])})
    found = check_clusters(snapshot, Declared(members=("m0", "m1", "m2"), rollouts=declared.rollouts))
    assert [(one.rule, one.object) for one in found] == [
        ("member-not-ready", "Cluster m1"),
        ("cluster-missing", "workload web"),
    ]


def test_unknown_cluster_names_in_a_policy_are_no_drift():
    """Regression: in a fleet of two, a user's policy that named a third cluster was always reported."""
    placement = {"clusterAffinity": {"clusterNames": ["m0", "m1", "elsewhere"]}}
    members = {name: {"id": "some"} for name in ("m0", "m1")}
    declared = Declared(rollouts={"web": RolloutCheck([], placement, [], members)})
    found = check_clusters(Snapshot((cluster("m0"),)), declared)
    assert [(one.rule, one.message) for one in found] == [("cluster-missing", "is placed on m1, which is not a member")]


def test_copies_of_a_deleted_template_are_those_in_ready_members():
    declared, objects = done(1, 2)
    gone = [obj for obj in objects if obj["kind"] != "Deployment"]
    ref = ref_of(declared[0])
    assert holders(read_left(Plane(*gone, cluster("m1", ready=False)), [ref]), [ref]) == {ref: ["m0"]}
    assert holders(read_left(Plane(*objects), [ref]), [ref]) == {ref: []}, "another workload has it now"
    plane = Plane(*gone)
    plane.failing = {ref: KindNotServed("no such kind", status=404)}
    assert holders(read_left(plane, [ref]), [ref]) == {ref: ["m0", "m1"]}
    plane = Plane()
    assert holders(read_left(plane, [ref]), [ref]) == {ref: []}
    assert plane.requests == 1, "without a binding nothing else is asked for"
    plane.asked.clear()
    many = [ref_of(one) for one in done(9, 0)[0]]
    assert not any(holders(read_left(plane, many), many).values())
    assert plane.asked == {("list", "ResourceBinding"): 2}


def test_works_without_a_binding_are_no_copies_of_a_template():
    declared, objects = done(1, 1)
    snapshot = read_fleet(Plane(*objects, work(declared[0], "m7")))
    assert [copy.cluster for copy in copies_in(snapshot)] == ["m0"]


# -- malformed objects -----------------------------------------------------------------------------------------------


def test_malformed_binding_and_work_are_named_and_hide_nothing():
    declared, objects = done(2, 2)
    odd_binding = {**binding(declared[0], ["m0"]), "spec": {"clusters": "many"}}
    odd_work = {**work(declared[1], "m1", identity="id-web-1"), "spec": {"workload": 3}}
    snapshot = read_for(Plane(*objects, odd_binding, odd_work), declared)
    with pytest.raises(ClusterError, match=r"ResourceBinding web-0-deployment: spec\.resource does not match"):
        check(declared[:1]).progress(snapshot)
    (progress,) = check(declared[1:], *named(2)).progress(snapshot)
    assert [bool(one.waiting_for) for one in progress.clusters] == [False, True]
    assert "its Work can't be read: Work web-1-1: spec.workload" in progress.clusters[1].waiting_for
    copies = {(copy.workload, copy.cluster): copy.reason for copy in copies_in(snapshot)}
    assert "form that is not expected" in copies["ResourceBinding web-0-deployment", ""]
    assert ("Deployment web-1", "m1") in copies


def test_binding_is_parsed_once_per_snapshot():
    """Regression: it was parsed three times per template and look."""
    declared, objects = done(1, 1)
    snapshot = read_for(Plane(*objects), declared)
    ref = ref_of(declared[0])
    assert snapshot.binding_of(ref) is snapshot.binding_of(ref)
    assert binding_views({binding_ref(ref): objects[2]})[binding_ref(ref)] == snapshot.binding_of(ref)


def test_replicas_that_an_interpreter_divides_are_as_karmada_reports():
    """Regression: a rollout of a kind with a user's interpreter was never done: `has 3 replicas, planned None`."""
    metadata = {"name": "gadget", "namespace": "default"}
    widget = {"apiVersion": "toys.example.org/v1", "kind": "Widget", "metadata": metadata, "spec": {"size": 4}}
    bound = binding(widget, ["m0", "m1"])
    bound["spec"]["replicas"] = 4
    shares = {"m0": 3, "m1": 1}
    bound["spec"]["clusters"] = [{"name": name, "replicas": count} for name, count in shares.items()]
    sent = [work({**widget, "spec": {"size": n}}, name, identity="id-gadget") for name, n in shares.items()]
    plane = Plane(cluster("m0"), cluster("m1"), live(widget), bound, *sent)
    (progress,) = check_once(check([widget], "m0", "m1"), plane)
    assert progress.done
    assert progress.scheduled == shares
