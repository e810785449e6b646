"""What Pulumi's CLI tells of a step, read as a step of ours."""

from pulumi.automation.events import StepEventMetadata

from flotilla.deploy.pulumi_cli import step_of
from flotilla.engine.steps import Op
from flotilla.providers.dynamic import BY_ITS_JUDGEMENT
from flotilla.state.values import UNKNOWN, UNKNOWN_TEXT, Secret

DYNAMIC = "pulumi-python:dynamic/flotilla:Rollout"


def told(op, old, new, type_=DYNAMIC, **more):
    urn = f"urn:pulumi:s::p::{type_}::one"
    sides = {
        side: {"type": type_, "urn": urn, "inputs": inputs, "outputs": inputs}
        for side, inputs in (("old", old), ("new", new))
    }
    return step_of(StepEventMetadata.from_json({"op": op, "urn": urn, "type": type_, **sides, **more}), Op(op))


def paths(step):
    return [(change.text, change.old, change.new, change.replaces) for change in step.changes]


def test_of_a_dynamic_resource_the_inputs_tell_what_differs():
    step = told("update", {"replicas": 2, "key": "[secret]"}, {"replicas": 7, "key": "[secret]"})
    assert paths(step) == [("replicas", 2, 7, False)]
    step = told("replace", {"name": "a", "wait": 1}, {"name": "b", "wait": 2}, keys=["name"])
    assert paths(step) == [("name", "a", "b", True), ("wait", 1, 2, False)]
    assert told("update", {"a": 1}, {"a": 1}).changes == (BY_ITS_JUDGEMENT,)
    assert told("same", {"a": 1}, {"a": 2}).changes == ()


def test_secrets_and_unknowns_are_marked():
    step = told("create", {}, {"key": "[secret]", "id": UNKNOWN_TEXT, "list": ["[secret]"]})
    assert step.new.inputs == {"key": Secret(None), "id": UNKNOWN, "list": [Secret(None)]}


def test_an_objects_changes_come_with_their_paths():
    detailed = {"spec.replicas": {"diffKind": "update", "inputDiff": True}}
    step = told("update", {"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, "kubernetes:x", detailedDiff=detailed)
    assert paths(step) == [("spec.replicas", 2, 3, False)]
