"""The digest of a plan, and runs that may do only what the plan showed."""

import json
from pathlib import Path

import pulumi
import pytest

from flotilla.engine.digest import differences, plan_digest
from flotilla.engine.shown import ShownPlan
from flotilla.engine.stack import EmbeddedStack
from flotilla.plan.steps import Op, Result, Step
from flotilla.state.checkpoint import ResourceState
from flotilla.state.config import Project
from flotilla.state.crypto import derived_key
from flotilla.state.diff import Change, ChangeKind
from flotilla.state.values import UNKNOWN, Secret
from tests.conformance.file_resource import FileResource

KEY = b"k" * 32
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def state(name="nginx", type_=DEPLOYMENT, **more):
    return ResourceState(urn=f"urn:pulumi:dev::p::{type_}::{name}", custom=True, type=type_, **more)


def creation(image="nginx:1.27", name="nginx", **more):
    new = state(name, inputs={"kind": "Deployment", "spec": {"image": image, "key": Secret("open-sesame")}}, **more)
    return Step(Op.CREATE, new.urn, new.type, "urn:pulumi:dev::p::pulumi:providers:kubernetes::karmada::id-1", new=new)


def digest(*steps, key=KEY, **more):
    return plan_digest(Result(list(steps)), key, **more)


def test_digest_covers_every_field_of_a_created_object():
    one = creation()
    other = creation(image="nginx:1.27@sha256:bad")
    secret = Step(one.op, one.urn, one.type, one.provider, new=state(inputs={**one.new.inputs, "key": Secret("x")}))
    elsewhere = Step(one.op, one.urn, one.type, one.provider.replace("karmada", "member1"), new=one.new)
    protected = creation(protect=True)
    assert len({digest(step) for step in (one, other, secret, elsewhere, protected)}) == 5
    assert digest(one) != digest(one, key=b"x" * 32), "who does not have the key can't try values out"
    assert digest(one) != digest(one, more={"manifest": "other"})


def test_digest_ignores_the_order_of_steps_and_random_values():
    one, two = creation(), creation(name="web")
    assert digest(one, two) == digest(two, one) != digest(one)
    again = Step(one.op, one.urn, one.type, one.provider.replace("id-1", "id-2"), new=one.new)
    assert digest(one) == digest(again), "the ID of a provider that is made again is random"

    def made_up(random):
        named = state(inputs={"metadata": {"name": f"nginx-{random}"}})
        follows = state("follows", inputs={"of": f"default/nginx-{random}"})
        return [Step(Op.CREATE, s.urn, s.type, new=s) for s in (named, follows)]

    assert digest(*made_up("0a1b2c3d")) == digest(*made_up("4e5f6071"))
    pickled = [Step(Op.CREATE, "urn:pulumi:dev::p::t::a", "t", new=state(inputs={"__provider": p})) for p in "ab"]
    assert digest(pickled[0]) == digest(pickled[1])


def test_digest_covers_the_current_state():
    def deletion(id_="default/nginx", uid="1"):
        old = state(id=id_, outputs={"metadata": {"uid": uid}})
        return Step(Op.DELETE, old.urn, old.type, old=old)

    assert len({digest(deletion()), digest(deletion(id_="other/nginx")), digest(deletion(uid="2"))}) == 3

    def update(old):
        change = Change(("spec", "replicas"), ChangeKind.UPDATE, old, 5)
        return Step(Op.UPDATE, state().urn, DEPLOYMENT, changes=(change,), new=state(inputs={"spec": {"replicas": 5}}))

    assert digest(update(2)) != digest(update(3)), "a plan from 3 to 5 is not the one from 2 to 5"


def test_two_plans_are_compared_step_by_step():
    lines = differences(
        Result([creation(), creation(name="gone")]), Result([creation("x:1"), creation(name="new")]), KEY
    )
    assert lines == ["create new is new", "create gone is no longer there", "create nginx has other values"]


def test_digest_key_is_specific_to_stack_and_purpose():
    keys = {derived_key("a", None, "p"), derived_key("b", None, "p"), derived_key("a", None, "q")}
    salted = "v1:YYKbttVw06U=:v1:x:y"
    assert len(keys | {derived_key("a", salted, "p")}) == 4
    assert derived_key("a", salted, "p") == derived_key("a", salted, "p")


# -- allowed differences between a run and its plan -----------------------------------------------


def update(inputs, *changes, old=None, op=Op.UPDATE):
    old = old or state(id="default/nginx", outputs={"metadata": {"uid": "1"}})
    changed = tuple(Change(path, ChangeKind.UPDATE, one, other) for path, one, other in changes)
    return Step(op, old.urn, old.type, changes=changed, old=old, new=state(inputs=inputs))


def test_value_that_became_known_is_allowed():
    shown = ShownPlan(
        Result([update({"spec": {"host": UNKNOWN, "limits": {"cpu": "1000m"}}}, (("spec", "host"), "a", UNKNOWN))])
    )
    assert shown.deviation(update({"spec": {"host": "b", "limits": {"cpu": "1"}}}, (("spec", "host"), "a", "b"))) == ""
    planned = state(
        "token", "kubernetes:core/v1:Secret", inputs={"kind": "Secret", "stringData": {"a": "x", "b": UNKNOWN}}
    )
    made = state("token", "kubernetes:core/v1:Secret", inputs={"kind": "Secret", "data": {"a": "eA==", "b": "eQ=="}})
    shown = ShownPlan(Result([Step(Op.CREATE, planned.urn, planned.type, new=planned)]))
    assert shown.deviation(Step(Op.CREATE, made.urn, made.type, new=made)) == "", "the provider keeps text as data"


def test_cluster_that_answers_again_is_allowed_and_its_note_is_not_in_the_digest():
    kind = "pulumi-python:dynamic/flotilla:ClusterIdentity"

    def creating(uid, note):
        new = state("member1-identity", kind, inputs={"cluster": "member1", "uid": uid, "unanswered": note})
        return Step(Op.CREATE, new.urn, kind, new=new)

    assert ShownPlan(Result([creating("", "no answer after 10 s")])).deviation(creating("1", "")) == ""
    assert ShownPlan(Result([creating("1", "")])).deviation(creating("", "no answer")) == "", (
        "its own failure says more"
    )
    assert "uid has another value" in ShownPlan(Result([creating("1", "")])).deviation(creating("2", ""))
    assert digest(creating("1", "no answer after 10 s")) == digest(creating("1", "no answer after 11 s"))


def test_failed_join_of_a_member_does_not_block_a_rollout_of_the_plan():
    kind = "pulumi-python:dynamic/flotilla:Rollout"

    def rollout(op, note="", id_="1", other="2"):
        members = {"member1": {"id": id_, "unanswered": note}, "member2": {"id": other, "unanswered": ""}}
        new = state("nginx-rollout", kind, inputs={"workload": "nginx", "members": members})
        old = {**members, "member1": {"id": "1", "unanswered": "it was silent then"}}
        if op is Op.CREATE:
            return Step(op, new.urn, kind, new=new)
        changes = [Change(("members", "member1", "unanswered"), ChangeKind.UPDATE, "it was silent then", note)]
        changes += [Change(("members", "member1", "id"), ChangeKind.UPDATE, "1", id_)] if id_ != "1" else []
        changes += [Change(("workload",), ChangeKind.UPDATE, "a", "nginx")]
        return Step(op, new.urn, kind, changes=tuple(changes), old=state(inputs=old), new=new)

    for op in (Op.CREATE, Op.UPDATE):
        plan = ShownPlan(Result([rollout(op)]))
        assert plan.deviation(rollout(op, "its join failed in this run", "")) == ""
        assert ShownPlan(Result([rollout(op, "no answer", "")])).deviation(rollout(op)) == "", "it answers again"
        assert "member1" in plan.deviation(rollout(op, "", "3"))
        assert "member2" in plan.deviation(rollout(op, "its join failed in this run", "", other="3"))
        assert digest(rollout(op, "no answer after 10 s")) == digest(rollout(op, "no answer after 11 s"))
        assert digest(rollout(op)) != digest(rollout(op, other="3"))
    unknown = rollout(Op.CREATE)
    unknown.new.inputs["members"] = UNKNOWN
    assert ShownPlan(Result([unknown])).deviation(rollout(Op.CREATE, "its join failed in this run", "")) == ""


def test_run_may_do_less_than_its_plan():
    shown = ShownPlan(Result([update({"a": 1}, (("a",), 0, 1), op=Op.CREATE_REPLACEMENT)]))
    assert shown.deviation(update({"a": 1}, (("a",), 0, 1))) == ""
    assert shown.deviation(update({"a": 1}, op=Op.SAME)) == ""


OTHER = state(id="default/nginx", outputs={"metadata": {"uid": "2"}})


@pytest.mark.parametrize(
    ("step", "reported"),
    [
        (update({"image": "bad"}, (("image",), "a", "bad")), "image has another value"),
        (update({"image": "b"}, (("image",), "c", "b")), "image would change from c"),
        (update({"image": "b"}, (("image",), "a", "b"), (("port",), 1, 2)), "port would change from 1"),
        (update({"image": "b", "more": 1}, (("image",), "a", "b")), "more has another value"),
        (update({"image": "b"}, (("image",), "a", "b"), old=OTHER),
         "another resource is in its place"),
        (Step(Op.DELETE, state().urn, DEPLOYMENT, old=state(id="default/nginx")), "does not delete it"),
        (creation(), "does not create it"),
    ],
)  # fmt: skip
def test_step_that_is_not_in_the_plan_is_refused_with_the_reason(step, reported):
    shown = ShownPlan(Result([update({"image": "b"}, (("image",), "a", "b"))]))
    assert reported in shown.deviation(step)


def test_refusal_contains_no_secret():
    shown = ShownPlan(Result([update({"key": Secret("b")}, (("key",), Secret("hunter2"), Secret("b")))]))
    said = shown.deviation(update({"key": Secret("b")}, (("key",), Secret("hunter3"), Secret("b"))))
    assert "[secret]" in said
    assert "hunter" not in said


# -- on the embedded engine -----------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path, monkeypatch):
    """A stack whose program creates a file for every entry of `wanted`."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (tmp_path / "Pulumi.yaml").write_text("name: test\nruntime: python\n")
    wanted: dict[str, str] = {}

    def program():
        for name, value in wanted.items():
            sealed = pulumi.Output.secret(value[1:]) if value.startswith("!") else value
            FileResource(name, {"folder": str(tmp_path), "value": sealed})

    return EmbeddedStack(Project.load(tmp_path), "dev", tmp_path / "state", program=program), wanted, tmp_path


def content(folder: Path, name: str):
    file = folder / f"{name}.json"
    return json.loads(file.read_text())["value"] if file.exists() else None


def test_two_previews_of_the_same_changes_have_the_same_digest(engine):
    stack, wanted, _ = engine
    wanted.update(one="1", two="!s")
    first = stack.preview().digest
    assert len(first) == 32
    assert stack.preview().digest == first
    wanted["two"] = "!t"
    assert stack.preview().digest != first, "a secret value changed"
    stack.up()
    done = stack.preview().digest
    assert stack.preview().digest == done != first
    assert stack.destroy(preview_only=True).digest not in ("", done)


def test_change_after_the_plan_is_not_applied(engine):
    stack, wanted, folder = engine
    wanted.update(one="1", two="2")
    plan = stack.preview()
    wanted["two"] = "bad"
    result = stack.up(plan=plan)
    assert content(folder, "two") is None
    assert any("two" in f and "value has another value" in f for f in result.failures), result.failures
    wanted.update(two="2", three="3")
    result = stack.up(plan=plan)
    assert content(folder, "three") is None
    assert any("does not create it" in failure for failure in result.failures)
    del wanted["three"]
    assert stack.up(plan=stack.preview()).failures == []
    assert (content(folder, "one"), content(folder, "two")) == ("1", "2")


def test_deletion_that_is_not_in_the_plan_is_refused(engine):
    stack, wanted, folder = engine
    wanted.update(one="1", two="2")
    stack.up()
    wanted["one"] = "2"
    plan = stack.preview()
    del wanted["two"]
    assert any("does not delete it" in failure for failure in stack.up(plan=plan).failures)
    assert content(folder, "two") == "2"
    going = stack.destroy(preview_only=True)
    wanted["three"] = "3"
    wanted["two"] = "2"
    stack.up()
    result = stack.destroy(plan=going)
    assert any("three" in failure and "does not delete it" in failure for failure in result.failures)
    assert content(folder, "three") == "3"


def test_deletion_in_the_plan_also_deletes_resources_that_no_plan_shows(engine):
    """The default provider of dynamic resources is in the state, and in no plan."""
    stack, wanted, _ = engine
    wanted.update(one="1")
    stack.up()
    assert stack.destroy(plan=stack.destroy(preview_only=True)).failures == []
    assert stack.snapshot().resources == ()


def test_replacement_that_is_not_in_the_plan_changes_nothing(engine):
    stack, wanted, folder = engine
    fixed = ["a"]
    stack.program = lambda: FileResource("one", {"folder": str(folder), "value": wanted["one"], "fixed": fixed[0]})
    wanted["one"] = "1"
    stack.up()
    wanted["one"] = "2"
    plan = stack.preview()
    fixed[0] = "b"
    assert stack.up(plan=plan).failures
    assert content(folder, "one") == "1"
    fixed[0] = "a"
    assert stack.up().counts() == {"same": 1, "update": 1}


def test_read_only_run_creates_no_passphrase(engine, monkeypatch):
    stack, wanted, folder = engine
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    stack.read_only = True
    wanted["one"] = "1"
    assert stack.preview().digest == stack.preview().digest
    assert not (folder / "state").exists()
