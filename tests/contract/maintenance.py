"""Maintenance of a member: drain and uncordon while the workload stays available.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

import threading
import time

import pytest

from flotilla.errors import FlotillaError
from flotilla.karmada.cordons import CORDON, MAINTENANCE, is_cordoned
from flotilla.kube.objects import ObjectRef
from tests.contract.karmada import eventually
from tests.contract.main_job import members, run, verbs  # noqa: F401 - fixtures of the contract

BOTH = ("member1", "member2")
NGINX = ObjectRef("apps/v1", "Deployment", "nginx", "default")
AGENT = ObjectRef("apps/v1", "Deployment", "agent", "default")
CLUSTER = ObjectRef("cluster.karmada.io/v1alpha1", "Cluster", "member2")
WORKLOADS = [
    {
        "name": "nginx",
        "image": "nginx:1.27",
        "replicas": 2,
        "placement": {"clusters": list(BOTH), "replicas": "divided"},
        "timeout": 90,
    },
    {"name": "agent", "image": "nginx:1.27", "placement": {"clusters": list(BOTH)}, "timeout": 90},
]


class Watch:
    """Reads nginx of both members repeatedly and records the sum of its ready replicas."""

    def __init__(self, fleet):
        self.ready, self._end = [], threading.Event()
        self._members = [fleet.connection(name) for name in BOTH]
        self._thread = threading.Thread(target=self._look)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _look(self):
        while not self._end.wait(0.1):
            try:
                self.ready.append(sum(replicas(one, NGINX, ready=True) for one in self._members))
            except FlotillaError:
                continue


def replicas(connection, ref, *, ready=False):
    live = connection.find(ref)
    if live is None:
        return 0
    return (live["status"].get("readyReplicas") or 0) if ready else live["spec"]["replicas"]


@pytest.fixture
def stack(fleet, run):  # noqa: F811
    """Deploy the stack, and return its file; the fixture `run` destroys it at the end."""
    run.write(members(*BOTH), WORKLOADS)
    run("up", "--yes")
    return fleet.project / "stacks" / "Pulumi.sandbox.yaml"


def replicas_by_member(fleet, ref):
    return {name: count for name in BOTH if (count := replicas(fleet.connection(name), ref))}


def drift_rules(run):  # noqa: F811
    return [one["rule"] for one in run("drift", expect=3)["findings"]]


def test_drain_and_uncordon_of_a_member_keep_the_workload_available(fleet, run, stack):  # noqa: F811
    karmada, before = fleet.connection("karmada"), stack.read_text()
    assert replicas_by_member(fleet, NGINX) == {"member1": 1, "member2": 1}

    plan = run("drain", "member2", "--reason", "new kernel", "--preview-only")
    (said,) = plan["maintenance"]
    assert (said["member"], said["before"], said["after"]) == ("member2", "", "drain: new kernel")
    assert [(one["workload"], one["gone"], one["come"]) for one in said["leaving"]] == [
        ("nginx", {"member2": 1}, {"member1": 1})
    ]
    assert {step["op"] for step in plan["steps"]} == {"same", "update"}, "nothing is replaced"
    assert stack.read_text() == before

    with Watch(fleet) as watch:
        run("drain", "member2", "--reason", "new kernel", "--yes")
        eventually(lambda: replicas_by_member(fleet, NGINX) == {"member1": 2})
    assert min(watch.ready) >= 1, watch.ready
    assert set(replicas_by_member(fleet, AGENT)) == set(BOTH), "a duplicated copy has nowhere to move"
    live = karmada.get(CLUSTER)
    assert [(taint["key"], taint["effect"]) for taint in live["spec"]["taints"]] == [(CORDON.key, CORDON.effect)]
    assert live["metadata"]["annotations"][MAINTENANCE] == "drain: new kernel"
    assert "maintenance:" in stack.read_text()
    (shown,) = (one for one in run("status")["members"] if one["name"] == "member2")
    assert shown["maintenance"] == "drain: new kernel"
    run("preview", "--refresh", "--expect-no-changes")
    run("drift")
    assert "already" in run("drain", "member2", "--yes")["note"]

    # Somebody removes the cordon's taint: drift reports it, and `up` sets it again.
    karmada.patch(CLUSTER, {"spec": {"taints": None}})
    assert drift_rules(run) == ["object-changed"]
    run("up", "--refresh", "--yes")
    assert is_cordoned(karmada.get(CLUSTER))

    with Watch(fleet) as watch:
        plan = run("uncordon", "member2", "--yes")
        eventually(lambda: replicas_by_member(fleet, NGINX) == {"member1": 1, "member2": 1})
        time.sleep(1)
    assert min(watch.ready) >= 1, watch.ready
    assert stack.read_text() == before
    live = karmada.get(CLUSTER)
    assert not is_cordoned(live)
    assert MAINTENANCE not in live["metadata"]["annotations"]
    run("preview", "--refresh", "--expect-no-changes")
    run("drift")

    # Somebody else cordons the member: drift reports it, and `uncordon` doesn't remove that taint.
    karmada.patch(CLUSTER, {"spec": {"taints": [{"key": CORDON.key, "effect": CORDON.effect}]}})
    assert drift_rules(run) == ["member-cordoned"]
    assert "karmadactl uncordon member2" in run("uncordon", "member2")["note"]
    run("cordon", "member2", "--yes")
    run("drift")
    run("uncordon", "member2", "--yes")
    assert not is_cordoned(karmada.get(CLUSTER))
