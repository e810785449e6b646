"""Rollback: the fleet runs again what an earlier update declared.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, assert_no_changes, run, stack, workload  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods

SPACE = "rollback-space"
KINDS = (("v1", "ConfigMap"), ("v1", "Secret"), ("apps/v1", "Deployment"), ("v1", "Namespace"))


def shop(image, mode):
    web = pods("web", SPACE, replicas=2)
    web["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return [
        obj("v1", "Namespace", SPACE),
        web,
        obj("v1", "ConfigMap", "settings", SPACE, data={"mode": mode}),
        obj("v1", "Secret", "key", SPACE, stringData={"key": f"secret of {mode}"}),
    ]


def running(fleet):
    """Return by cluster the image, the settings, the secret, and the label that an override sets."""
    found = {}
    for cluster in BOTH:
        connection = fleet.connection(cluster)
        web = connection.find(ObjectRef("apps/v1", "Deployment", "web", SPACE))
        settings = connection.find(ObjectRef("v1", "ConfigMap", "settings", SPACE))
        key = connection.find(ObjectRef("v1", "Secret", "key", SPACE))
        found[cluster] = (
            web and web["spec"]["template"]["spec"]["containers"][0]["image"],
            settings and settings["data"],
            key and key["data"],
            web and (web["metadata"].get("labels") or {}).get("site"),
        )
    return found


def test_rollback_restores_what_an_earlier_update_declared(fleet, run, stack):
    """Meanwhile, the files changed and one was deleted, so the rollback can't read the old objects from them."""
    differs = [{"clusters": ["member2"], "labels": {"site": "two"}}]
    good = [workload("shop", shop("web:1", "good"), overrides=differs), workload("more", [pods("more", "default")])]
    stack(*good)
    run("up", "--yes")
    before, objects = running(fleet), everything(fleet, KINDS)
    assert before["member2"][3] == "two"

    stack(workload("shop", shop("web:2", "bad")[:3], ["member1"]))
    run("up", "--yes")
    assert running(fleet) != before
    (fleet.project / "more.yaml").unlink()

    plan = run("rollback", "--preview-only")
    assert {(one["name"], one["verb"]) for one in plan["workloads"]} == {("shop", "changes"), ("more", "new")}
    done = run("rollback", "--plan", plan["digest"])
    assert "still declares what was rolled back (workloads: more, shop)" in done["stillDeclared"]
    assert (running(fleet), everything(fleet, KINDS)) == (before, objects)
    assert run("drift")["findings"] == []
    assert {step["op"] for step in run("rollback", "--to", str(done["rollback"]["to"]), "--preview-only")["steps"]} == {
        "same"
    }

    # With the earlier stack file, the next `up` has nothing to do.
    stack(*good)
    assert_no_changes(run)
