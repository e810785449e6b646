"""Back to an earlier update: the fleet runs again what that one declared, and an interrupted way back is gone on with.

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

from flotilla.kube.objects import ObjectRef
from tests.contract.main_job import everything, members, staying, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, run, settled, stack, workload  # noqa: F401 - fixtures of the contract
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
    """What the copies are, by cluster: the image, the settings, the secret, the label of an override."""
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


def test_the_fleet_runs_again_what_an_earlier_update_declared(fleet, run, stack):
    """The files say something else by then, and are gone; objects come, go and change back, and drift finds nothing."""
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

    # The stack file with what was good agrees with it: the next `up` has nothing to do.
    stack(*good)
    settled(run)
