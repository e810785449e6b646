"""A failed rollout has the messages of the pods; a member that can't be asked adds no further error."""

import threading
import time

import pytest

from flotilla import waiting
from flotilla.karmada.status.lacking import lacking
from flotilla.karmada.status.rollout import ClusterProgress, Progress, RolloutCheck
from flotilla.karmada.status.unhealthy import explained, why_unhealthy
from flotilla.kube.objects import ref_of
from flotilla.kube.secrecy import HIDDEN, remember
from flotilla.observe.workloads import copies_of
from tests.unit.ailing import PULL, Fleet, Member, Refusing, pod
from tests.unit.planes import EVERYWHERE, Plane, binding, check_once, cluster, live, web, work

WEB = ref_of(web())
PULLING = f"web: ImagePullBackOff: {PULL}"


def ailing(*names, ref=WEB):
    return [
        Progress(ref, tuple(ClusterProgress(name, 2, 2, "0 of 2 replicas updated", unhealthy=True) for name in names))
    ]


def test_message_of_a_failed_rollout_has_the_reason_of_the_pods():
    fleet = Fleet(Member("m1", live(web()), pod()), Member("m2", live(web()), pod("web-9", image="nginx:1.27")))
    said = explained("is not healthy", fleet, ailing("m1", "m2"))
    assert said == f"is not healthy; m1: pod web-1: {PULLING}"


def test_no_member_is_asked_if_nothing_is_wrong_or_the_process_is_to_end(monkeypatch):
    fleet = Fleet(Member("m1", live(web()), pod()))
    assert explained("", fleet, ailing("m1")) == ""
    monkeypatch.setattr("flotilla.karmada.status.unhealthy.asked_to_end", lambda: True)
    assert explained("was interrupted", fleet, ailing("m1")) == "was interrupted"
    assert fleet.reached == []


def test_only_clusters_that_have_the_declared_content_and_answer_are_asked():
    fleet = Fleet(*(Member(name, live(web()), pod()) for name in ("late", "silent", "done", "ailing")))
    clusters = (
        ClusterProgress("late", 2, 2, "its Work is empty"),
        ClusterProgress("silent", 2, 2, "unhealthy", "it is gone", unhealthy=True),
        ClusterProgress("done", 2, 2),
        ClusterProgress("ailing", 2, 2, "unhealthy", unhealthy=True),
    )
    assert list(why_unhealthy(fleet, [Progress(WEB, clusters)])) == ["ailing"]
    assert fleet.reached == ["ailing"]


def test_member_that_cannot_be_asked_gives_no_reason_and_no_error():
    odd = Member("odd", {**live(web()), "status": {"conditions": "no list"}}, {**pod(), "status": {"conditions": 3}})
    fleet = Fleet(Refusing("refused"), odd, Member("empty"), Member("m1", live(web()), pod()))
    found = why_unhealthy(fleet, ailing("refused", "odd", "unknown", "empty", "m1"))
    assert found == {"empty": [f"{WEB} is not in the cluster"], "m1": [f"pod web-1: {PULLING}"]}


def test_hanging_member_does_not_delay_the_others():
    release = threading.Event()

    class Hanging(Member):
        def request(self, *_args, **_more):
            release.wait(30)

    fleet = Fleet(Hanging("hangs"), Member("m1", live(web()), pod()))
    began = time.monotonic()
    found = why_unhealthy(fleet, ailing("hangs", "m1"), seconds=0.3)
    seconds = time.monotonic() - began
    release.set()
    assert list(found) == ["m1"]
    assert seconds < 3


def test_process_that_is_asked_to_end_does_not_wait_for_reasons():
    release = threading.Event()

    class Hanging(Member):
        def request(self, *_args, **_more):
            waiting.ask_to_end()
            release.wait(30)

    began = time.monotonic()
    try:
        assert why_unhealthy(Fleet(Hanging("hangs")), ailing("hangs"), seconds=20) == {}
    finally:
        release.set()
        waiting.begin()
    assert time.monotonic() - began < 5


def test_message_is_bounded():
    names = [f"m{number}" for number in range(9)]
    fleet = Fleet(*(Member(name, live(web()), pod(message="x" * 5000)) for name in names))
    found = why_unhealthy(fleet, ailing(*names))
    assert list(found) == names[:5]
    assert all(len(text) == 200 and text.endswith("…") for (text,) in found.values())


def test_message_of_several_pods_is_reported_once_by_the_newest():
    pods = [
        pod("web-a", made="2026-11-26T09:00:00Z"),
        pod("web-b", made="2026-11-26T11:00:00Z"),
        pod("web-c", message="denied", made="2026-11-26T10:00:00Z"),
        pod("web-d", message="of long ago", made="2026-11-25T10:00:00Z"),
    ]
    assert why_unhealthy(Fleet(Member("m1", live(web()), *pods)), ailing("m1")) == {
        "m1": [f"pod web-b: {PULLING}", "pod web-c: web: ImagePullBackOff: denied"]
    }


def test_object_gives_the_reason_if_its_pods_do_not():
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    full = {**live(web()), "status": {"conditions": [condition, {**condition, "type": "Failed"}]}}
    assert why_unhealthy(Fleet(Member("m1", full)), ailing("m1")) == {
        "m1": ["ReplicaFailure: FailedCreate: exceeded quota"]
    }


def test_up_to_three_unhealthy_objects_of_a_cluster_give_their_reasons():
    names = ["a", "b", "c", "d"]
    objects = [one for name in names for one in (live(web(name)), pod(f"{name}-1", message=name, workload=name))]
    progress = [one for name in names for one in ailing("m1", ref=ref_of(web(name)))]
    found = why_unhealthy(Fleet(Member("m1", *objects)), progress)
    assert found == {"m1": [f"pod {name}-1: web: ImagePullBackOff: {name}" for name in names[:3]]}


def test_messages_of_members_are_one_line_without_secrets():
    remember("s3cr3t-t0ken-of-a-registry")
    message = "denied\nfor \x1b[31ms3cr3t-t0ken-of-a-registry"
    found = why_unhealthy(Fleet(Member("m1", live(web()), pod(message=message))), ailing("m1"))
    assert found == {"m1": [f"pod web-1: web: ImagePullBackOff: denied for \\x1b[31m{HIDDEN}"]}


# -- clusters that have the declared content and are unhealthy ------------------------------------------------------


def progress_of(*, health="Unhealthy", applied=True, status=None, ready=True, suspension=None, sent=True):
    template = web()
    bound = binding(template, ["m1"])
    report = {"clusterName": "m1", "applied": applied, "health": health, "status": status or {}}
    bound["status"]["aggregatedStatus"] = [report]
    works = [work(template, "m1", identity="id-web")] if sent else []
    plane = Plane(cluster("m1", ready=ready), live(template), bound, *works)
    expected = {"m1": {"id": "uid-m1", "unanswered": ""}}
    check = RolloutCheck([template], EVERYWHERE, [], members=expected, suspension=suspension or {})
    ((one,),) = [progress.clusters for progress in check_once(check, plane)]
    return one


@pytest.mark.parametrize(
    ("seen", "asked"),
    [
        ({}, True),
        ({"health": "Healthy"}, False),
        ({"applied": False}, False),
        ({"sent": False}, False),
        ({"ready": False}, False),
        ({"suspension": {"dispatchingOnClusters": {"clusterNames": ["m1"]}}}, False),
        ({"health": "Healthy", "status": {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}}, True),
    ],
)
def test_cluster_is_unhealthy_if_it_has_the_change_and_lacks_health(seen, asked):
    assert progress_of(**seen).unhealthy is asked


# -- texts -------------------------------------------------------------------------------------------------------------


def test_replica_is_not_healthy_while_only_the_old_one_is_available():
    """Karmada reports health, as one replica is updated and the old one is available.

    Regression: a bad image passed its wave.
    """
    status = {"replicas": 2, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    assert progress_of(health="Healthy", status=status).late == "1 old replica not replaced yet"
    assert progress_of(health="Healthy", status={**status, "replicas": 1}).done
    bound = binding(web(replicas=1), ["m1"])
    bound["status"]["aggregatedStatus"][0]["status"] = status
    (copy,) = copies_of(Plane(bound, work(web(replicas=1), "m1", identity="id-web")))
    assert (copy.health, copy.reason) == ("Unhealthy", "1 old replica not replaced yet"), "as `flotilla workloads` says"
    assert progress_of(health="Healthy", status={"replicas": 2}).done, "an interpreter that counts no updated ones"


@pytest.mark.parametrize(
    ("kind", "status", "text"),
    [
        ("Deployment", {"replicas": 3, "readyReplicas": 2, "updatedReplicas": 1}, "1 of 2 replicas updated"),
        ("Deployment", {"replicas": 5, "readyReplicas": 3, "updatedReplicas": 2}, "2 of 4 replicas updated"),
        ("StatefulSet", {"replicas": 3, "readyReplicas": 2}, "0 of 3 replicas updated"),
        ("StatefulSet", {"replicas": 1, "readyReplicas": 0, "updatedReplicas": 1}, "0 of 3 replicas ready"),
    ],
)
def test_replicas_of_the_former_version_do_not_count_as_ready(kind, status, text):
    """Regression: the text was `3 of 4 replicas ready`, but these were the old ones."""
    wanted = int(text.split()[2])
    assert lacking(("apps", kind), {}, status, wanted) == text
