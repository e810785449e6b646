"""The blast radius of a plan: which copies it counts, which pods restart, and which counts remain a range."""

import pytest

from tests.unit.rollouts import divided, on
from tests.unit.test_guards import declares, deployment, member, planned, ran, workload
from tests.unit.test_plan_scheduling import DYNAMIC


def reach(before, after, *, scheduled=("m0", "m1"), members=("m0", "m1"), template="Deployment default/web"):
    steps = [member(name) for name in members]
    old = ran(*scheduled, template=template) if scheduled else None
    return planned(*steps, workload("web", before, after, old)).blast_radius.text


def test_unchanged_plan_has_no_blast_radius():
    assert reach(declares(on("m0")), declares(on("m0")), scheduled=("m0",)) == ""
    assert planned().to_json()["blastRadius"]["clusters"] == []


BOTH = on("m0", "m1")


@pytest.mark.parametrize(
    ("before", "after", "pods"),
    [
        (deployment(), deployment(image="nginx:2"), "; 4 pods restarted"),
        (deployment(), deployment(replicas=5), ""),
        (deployment(), deployment(replicas=1, image="nginx:2"), "; 2 pods restarted"),
        (deployment(), deployment(image="nginx:2", paused=True), ""),
        (deployment(kind="ReplicaSet"), deployment(kind="ReplicaSet", image="nginx:2"), ""),
        (deployment(kind="StatefulSet"), deployment(kind="StatefulSet", image="nginx:2"), "; 4 pods restarted"),
        (
            deployment(kind="StatefulSet"),
            deployment(kind="StatefulSet", image="nginx:2", updateStrategy={"type": "OnDelete"}),
            "",
        ),
        (
            deployment(kind="DaemonSet"),
            deployment(kind="DaemonSet", image="nginx:2"),
            "; pods restarted: those of 2 copies that set their own number",
        ),
    ],
    ids=["image", "scaled", "scaled and image", "paused", "replica set", "stateful", "on delete", "daemon set"],
)
def test_pods_that_restart_are_counted(before, after, pods):
    template = f"{before['kind']} default/web"
    found = reach(declares(BOTH, before), declares(BOTH, after), template=template)
    assert found == f"copies: 2 changed; 2 clusters touched{pods}"


def test_workload_whose_copies_are_unknown_is_named():
    """Regression: a workload that the engine hides, or whose template can't be read, was counted as unchanged."""
    given = declares(BOTH)
    assert reach(given, declares(BOTH, deployment(replicas="many"))) == "not counted: web"
    hidden = {**given, "templates": "[secret]"}
    plan = planned(member("m0"), workload("web", hidden, {**hidden, "placement": on("m0")}))
    assert plan.blast_radius.text == "not counted: web"
    assert plan.to_json()["blastRadius"]["notCounted"] == ["web"]
    assert planned(member("m0"), workload("web", hidden, hidden)).blast_radius.text == ""


def test_count_that_only_karmada_decides_is_a_range():
    free = {"replicaScheduling": DYNAMIC["replicaScheduling"]}
    fresh = reach(None, declares({**on("m0", "m1"), **free}), scheduled=())
    assert fresh == "copies: up to 2 added"
    scaled = declares({**on("m0", "m1"), **free}, deployment(replicas=3, image="nginx:2"))
    text = reach(declares({**on("m0", "m1"), **free}, deployment(replicas=4)), scaled, scheduled=("m0", "m1"))
    assert text == "copies: 2 changed; 2 clusters touched; 2 to 4 pods restarted"
    one = declares({**on("m0", "m1"), **free}, deployment(replicas=1))
    text = reach(declares({**on("m0", "m1"), **free}, deployment(replicas=4)), one, scheduled=("m0", "m1"))
    assert text == "copies: 2 changed, up to 2 removed; 2 clusters touched"
    four = deployment(replicas=4)
    text = reach(declares(divided("m0", "m1"), four), declares(divided("m0"), four))
    assert text == "copies: 1 changed, 1 removed; 2 clusters touched"
