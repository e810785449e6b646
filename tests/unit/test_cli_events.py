"""Step events of Pulumi's CLI, converted to the steps of this project."""

import json
from pathlib import Path

import pytest
from pulumi.automation.events import DiagnosticEvent, EngineEvent, StepEventMetadata

from flotilla.deploy.interface import Setting
from flotilla.deploy.pulumi_cli import PulumiStack, _Collector, contents_keyed, step_of
from flotilla.engine.run_state import Options, RunState
from flotilla.plan.steps import Op, Phase, Result, Step
from flotilla.providers.dynamic import BY_ITS_JUDGEMENT
from flotilla.state.checkpoint import Snapshot
from flotilla.state.values import UNKNOWN, UNKNOWN_TEXT, Secret
from flotilla.waiting import say
from tests.renderers import write_chart

DYNAMIC = "pulumi-python:dynamic/flotilla:Rollout"


def reported(op, old, new, type_=DYNAMIC, **more):
    urn = f"urn:pulumi:s::p::{type_}::one"
    sides = {
        side: {"type": type_, "urn": urn, "inputs": inputs, "outputs": inputs}
        for side, inputs in (("old", old), ("new", new))
    }
    return step_of(StepEventMetadata.from_json({"op": op, "urn": urn, "type": type_, **sides, **more}), Op(op))


def paths(step):
    return [(change.text, change.old, change.new, change.replaces) for change in step.changes]


def test_inputs_of_a_dynamic_resource_show_the_differences():
    step = reported("update", {"replicas": 2, "key": "[secret]"}, {"replicas": 7, "key": "[secret]"})
    assert paths(step) == [("replicas", 2, 7, False)]
    step = reported("replace", {"name": "a", "wait": 1}, {"name": "b", "wait": 2}, keys=["name"])
    assert paths(step) == [("name", "a", "b", True), ("wait", 1, 2, False)]
    assert reported("update", {"a": 1}, {"a": 1}).changes == (BY_ITS_JUDGEMENT,)
    assert reported("same", {"a": 1}, {"a": 2}).changes == ()


def test_secrets_and_unknown_values_are_marked():
    step = reported("create", {}, {"key": "[secret]", "id": UNKNOWN_TEXT, "list": ["[secret]"]})
    assert step.new.inputs == {"key": Secret(None), "id": UNKNOWN, "list": [Secret(None)]}


def test_an_objects_changes_come_with_their_paths():
    detailed = {"spec.replicas": {"diffKind": "update", "inputDiff": True}}
    step = reported(
        "update", {"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}, "kubernetes:x", detailedDiff=detailed
    )
    assert paths(step) == [("spec.replicas", 2, 3, False)]


def test_digest_covers_values_that_the_events_hide(tmp_path):
    """The CLI's events show every secret as the same text, but a changed manifest must give another plan."""
    (tmp_path / "secret.yaml").write_text("kind: Secret\nstringData: {key: hunter2}\n")
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text("config:\n  flotilla:workloads: [{name: door, manifests: [secret.yaml]}]\n")

    def contents(*, manifests=True, key=b"k"):
        return contents_keyed(file, tmp_path, key, manifests=manifests)

    first = contents()
    assert "hunter2" not in str(first)
    assert set(first) == {"stack file", "secret.yaml"}
    file.write_text("encryptionsalt: v1:x\n" + file.read_text() + "# a comment\n")
    assert contents() == first, "the salt that the CLI adds, and layout, are no part of a plan"
    (tmp_path / "secret.yaml").write_text("kind: Secret\nstringData: {key: hunter3}\n")
    assert contents()["secret.yaml"] != first["secret.yaml"]
    assert contents(key=b"x")["stack file"] != first["stack file"]
    assert set(contents(manifests=False)) == {"stack file"}, "without a key nothing may be found by trying values out"


def test_changed_plan_is_not_applied_with_the_cli(tmp_path, monkeypatch):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    stack = PulumiStack(Setting(tmp_path, "s"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    seen, done = [reported("update", {"a": 1}, {"a": 2})], []

    def run(doing, _action, *, report=False):
        done.append(doing)
        return Result(list(seen))

    monkeypatch.setattr(stack, "_run", run)
    plan = stack.preview()
    assert stack.preview().digest == plan.digest != ""
    assert stack.up(plan=plan).failures == []
    assert done == ["preview", "preview", "preview", "up"]
    seen[:] = [reported("update", {"a": 1}, {"a": 3})]
    refused = stack.up(plan=plan)
    assert done[-1] == "preview", "the run was not begun"
    assert (refused.steps, len(refused.failures)) == ([], 1)
    assert "update one has other values" in refused.failures[0]
    going = stack.destroy(preview_only=True)
    seen.append(reported("delete", {"a": 1}, {"a": 1}, "kubernetes:x"))
    assert "delete one is new" in stack.destroy(plan=going).failures[0]
    assert done[-1] == "destroy"


def test_plan_of_a_stack_with_a_key_service_has_a_digest(tmp_path, monkeypatch):
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "Pulumi.s.yaml").write_text("secretsprovider: awskms://alias/fleet\nencryptedkey: AQID\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "")
    stack = PulumiStack(Setting(tmp_path, "s"))
    monkeypatch.setattr(stack, "_run", lambda _doing, _action: Result([]))
    assert stack.preview().digest


def test_temporary_files_of_a_run_are_removed(monkeypatch, tmp_path):
    """pulumi-kubernetes leaves a temporary file with the kubeconfig of every provider."""
    folders = []

    def leave(environment, _on):
        folders.append(Path(environment["TMPDIR"]))
        (folders[-1] / "kubeconfig123").write_text("token: hunter2")

    stack = PulumiStack(Setting(tmp_path, "s"))
    monkeypatch.setattr(stack, "_stack", dict)
    stack._run("up", leave)
    stack._run("up", leave)
    assert len(set(folders)) == 2
    assert not [folder for folder in folders if folder.exists()]


@pytest.mark.parametrize(("report", "text"), [(True, "rollout of web waits for m1: x"), (False, ""), (True, "")])
def test_output_of_a_provider_under_the_cli_is_reported_with_its_step(tmp_path, report, text):
    heard = []
    collector = _Collector(Setting(tmp_path, "s", heard.append), report=report)
    for message in ("rollout of web waits for m1: x\n" if text or not report else "something else\n", "  "):
        collector.take(EngineEvent(1, 1, diagnostic_event=DiagnosticEvent(message, "never", "info", 1, False)))
    assert [(event.phase, event.said) for event in heard] == ([(Phase.WAITING, text)] if text else [])
    assert (collector.result.messages, collector.result.failures) == ([], [])


def test_existing_object_under_the_cli_is_one_error_with_the_remedy(tmp_path):
    collector = _Collector(Setting(tmp_path, "s"), report=True)
    said = 'resource "urn" was not created: namespaces "karmada-cluster" already exists'
    ways = "The resource already exists in the cluster. This can happen when:\n\n  - Renaming a Pulumi resource: ..."
    message = f"{said}\n\n{ways}"
    collector.take(EngineEvent(1, 1, diagnostic_event=DiagnosticEvent(message, "never", "error", 1, False, urn="a::b")))
    assert collector.result.failures == [f"b: {said}\n  hint: `flotilla up --adopt` takes over what exists"]


def test_messages_of_a_provider_are_the_progress_of_its_step():
    heard = []
    run = RunState("dev", "p", Snapshot(()), Options(), heard.append)
    step = Step(Op.CREATE, f"urn:pulumi:dev::p::{DYNAMIC}::web-rollout", DYNAMIC)
    run.run(step, None, lambda: say("rollout of web waits for m1: x"))
    assert [event.phase for event in heard] == [Phase.BEGIN, Phase.WAITING, Phase.DONE]
    assert heard[1].step is step
    assert heard[1].said == "rollout of web waits for m1: x"


def test_digest_under_the_cli_covers_the_inputs_of_a_chart(tmp_path):
    """A changed value in a values file gives another plan, as a changed manifest does.

    No program is started for that.
    """
    write_chart(tmp_path / "web", {"a.yaml": "a: 1"})
    (tmp_path / "values.yaml").write_text("a: 1")
    workload = {"name": "shop", "placement": {}, "chart": {"path": "web", "valuesFiles": ["values.yaml"]}}
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(json.dumps({"config": {"flotilla:workloads": [workload]}}))
    seen = []
    for change in (tmp_path / "values.yaml", tmp_path / "web" / "templates" / "a.yaml", None):
        found = contents_keyed(file, tmp_path, b"k", manifests=True)
        assert set(found) == {"stack file", "rendered shop"}
        seen.append(found["rendered shop"])
        if change:
            change.write_text("a: 2")
    assert len(set(seen)) == 3
    assert set(contents_keyed(file, tmp_path, b"k", manifests=False)) == {"stack file"}
    assert not (tmp_path / ".flotilla").exists()
