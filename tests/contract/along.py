"""Objects that no policy selects and that follow the workloads that use them (propagateDeps).

The same cases run on real Karmada (`tests/live`) and on the stand-in (`tests/sandbox`).
"""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

from flotilla.kube.objects import ObjectRef
from tests.contract.given import POLICY, SPACE, WEB, labelled, policy, to
from tests.contract.given import stack as given  # noqa: F401 - a fixture
from tests.contract.karmada import eventually
from tests.contract.main_job import everything, members, shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.moves import BOTH, run  # noqa: F401 - fixtures of the contract
from tests.contract.objects import obj, pods
from tests.contract.spaces import LEFT, assert_clean

CONFIG = ObjectRef("v1", "ConfigMap", "along", SPACE)
ROLES = {"apiVersion": "apps/v1", "kind": "Deployment", "labelSelector": {"matchLabels": {"part": "back"}}}


def using(name, part, config="along"):
    found = labelled(pods(name), part=part)
    found["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": config}}]
    return found


def config(**data):
    return obj("v1", "ConfigMap", "along", data=data)


def copies(fleet):
    found = {member: fleet.connection(member).find(CONFIG) for member in BOTH}
    return {member: live["data"] for member, live in found.items() if live}


def test_a_config_map_follows_the_workloads_that_use_it_in_plans_rollouts_and_drift(fleet, run, given):
    """Earlier, `validate` refused the ConfigMap as an object that no policy selects."""
    run.write(members(*BOTH), [])
    run("up", "--yes")
    before = everything(fleet, LEFT)
    space = obj("v1", "Namespace", SPACE)
    front = policy("PropagationPolicy", "front", [WEB], propagateDeps=True, **to("member1"))
    back = policy("PropagationPolicy", "back", [ROLES], propagateDeps=True, **to("member2"))
    tag = {"labelsOverrider": [{"operator": "add", "value": {"site": "one"}}]}
    where = {"clusterNames": ["member1"]}
    marks = obj(
        POLICY,
        "OverridePolicy",
        "marks",
        spec={
            "resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap"}],
            "overrideRules": [{"targetCluster": where, "overriders": tag}],
        },
    )
    given([space, using("web", "web"), config(a="b")], [front, marks])
    plan = run("preview")
    (one,) = plan["workloads"]
    assert [follower["object"] for follower in one["follows"]] == [f"ConfigMap {SPACE}/along"]
    assert one["follows"][0]["clusters"] == [{"name": "member1", "verb": "new"}]
    rendered = run("preview", "--rendered")["rendered"]
    found = {member: [o for o in objects if o["kind"] == "ConfigMap"] for member, objects in rendered.items()}
    assert [o["metadata"]["labels"]["site"] for o in found["member1"]] == ["one"]
    assert not found.get("member2")
    run("up", "--yes")
    assert copies(fleet) == {"member1": {"a": "b"}}
    assert_clean(run)

    # Another value: the plan shows it for the member that has the copy, and `up` waits for it.
    given([space, using("web", "web"), config(a="c")], [front, marks])
    (one,) = run("preview")["workloads"]
    assert "b → c" in str(one["clusters"])
    run("up", "--yes")
    assert copies(fleet) == {"member1": {"a": "c"}}
    assert_clean(run)

    # Somebody changes it in the control plane: Karmada sends the change to the member, and drift reports it.
    karmada = fleet.connection("karmada")
    karmada.patch(CONFIG, {"data": {"a": "somebody's"}})
    eventually(lambda: copies(fleet) == {"member1": {"a": "somebody's"}}, problem="the change doesn't arrive")
    assert f"ConfigMap {SPACE}/along" in {one["object"] for one in run("drift", expect=3)["findings"]}
    run("up", "--yes", "--refresh")
    assert copies(fleet) == {"member1": {"a": "c"}}
    assert_clean(run)

    # Two workloads with different policies use it: it follows both.
    objects = [space, using("web", "web"), using("store", "back"), config(a="c")]
    given(objects, [front, back, marks])
    planned = {one["name"]: one for one in run("preview")["workloads"]}
    assert planned["shop-back"]["follows"][0]["clusters"] == [{"name": "member2", "verb": "new"}]
    run("up", "--yes")
    assert copies(fleet) == {"member1": {"a": "c"}, "member2": {"a": "c"}}
    assert_clean(run)

    # No workload uses it any more: no cluster would get it, and `validate` refuses it.
    given([space, using("web", "web", "other"), config(a="c")], [front, marks])
    error = run("validate", expect=2)["error"]
    assert f"no policy selects ConfigMap {SPACE}/along" in str(error)
    run.write(members(*BOTH), [])
    run("up", "--yes")
    assert everything(fleet, LEFT) == before


def test_a_config_map_without_a_policy_is_refused_if_no_workload_propagates_it(fleet, run, given):
    front = policy("PropagationPolicy", "front", [WEB], **to("member1"))
    given([using("web", "web"), config(a="b")], [front])
    document = run("validate", expect=2)
    assert "it would run nowhere" in str(document)
