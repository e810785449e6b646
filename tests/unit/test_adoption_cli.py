"""With a state of Pulumi's CLI, existing objects are adopted on a copy of the state: exported, changed, imported."""

import json
import subprocess

import pulumi
import pulumi_kubernetes as k8s
import pytest

from components.kubernetes_object import KubernetesObject
from flotilla.deploy import adopting_cli
from flotilla.deploy.adopting_cli import BY_WHOM, AdoptingPulumiStack
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.engine.adoption import Adoption
from flotilla.errors import EngineError
from flotilla.plan.steps import Op
from flotilla.state.checkpoint import from_export
from flotilla.state.values import Secret
from tests.faults import FakeApi
from tests.unit.test_adoption import config_map, existing_config_map, stored_object

KMS = {"type": "cloud", "state": {"url": "awskms://alias/fleet", "encryptedkey": "AQID"}}


class FakeCli:
    """The commands of Pulumi's CLI for the state of one stack; exported secrets are in clear text."""

    def __init__(self, monkeypatch):
        self.deployment = {"manifest": {"time": "then"}, "secrets_providers": KMS, "metadata": {}}
        self.commands = []
        self.imported = []
        self.refuses = []
        self.config = {"adopting:door": {"value": "hunter2", "secret": True}}
        monkeypatch.setattr(adopting_cli, "_run", self.run)
        monkeypatch.setattr(adopting_cli, "_PAUSE_SECONDS", 0)
        monkeypatch.setattr(AdoptingPulumiStack, "_stack", lambda _: None)

    def run(self, line, setting, given):
        command = " ".join(word for word in line[: line.index("--stack")] if not word.startswith("-"))
        self.commands.append(command)
        if self.refuses and command == "stack import" and (why := self.refuses.pop(0)) is not None:
            raise subprocess.CalledProcessError(255, line, stderr=f"warning: x\nerror: {why}\n")
        if command == "stack export":
            assert "--show-secrets" in line
            return json.dumps({"version": 4, "features": ["hooks"], "deployment": self.deployment})
        if command == "config":
            return json.dumps(self.config)
        if command == "stack output":
            return json.dumps({"open": "1", "shut": "2" if "--show-secrets" in line else "[secret]"})
        assert command == "stack import"
        # As the CLI does: pending operations are dropped, an empty list is left out.
        document = json.loads(given)
        assert (document["version"], document["features"]) == (4, ["hooks"]), "what the state needs of the CLI stays"
        deployment = {k: v for k, v in document["deployment"].items() if k != "pending_operations"}
        self.imported.append(deployment)
        self.deployment = deployment
        return "Import complete."

    @property
    def resources(self):
        return {one["urn"].rpartition("::")[2]: one for one in self.deployment.get("resources", [])}


@pytest.fixture
def cli(monkeypatch):
    return FakeCli(monkeypatch)


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack in a bucket, with a program of ConfigMaps: `stack(api, manifest, ...)`."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    (tmp_path / "Pulumi.yaml").write_text("name: adopting\nruntime: python\n")

    def make(api, *manifests, more=lambda: None, **setting):
        def program():
            mutable = {"enable_config_map_mutable": True, "enable_secret_mutable": True}
            made = k8s.Provider("cluster", kubeconfig=api.kubeconfig, cluster_identifier="member1", **mutable)
            for manifest in manifests:
                KubernetesObject(manifest["metadata"]["name"], manifest, pulumi.ResourceOptions(provider=made))
            pulumi.export("door", pulumi.Config().require_secret("door"))
            more()

        given = {"program": program, "adopt": Adoption(asked=True), **setting}
        return AdoptingPulumiStack(Setting(tmp_path, "test", **given))

    return make


def ops(result):
    return {step.name: step.op for step in result.steps if step.type.startswith("kubernetes:")}


def test_preview_reads_state_and_configuration_from_the_cli_and_writes_nothing(stack, cli):
    with FakeApi(existing_config_map(colour="blue")) as api:
        plan = stack(api, config_map(colour="red")).preview()
        again = stack(api, config_map(colour="red")).preview()
    assert plan.failures == []
    assert ops(plan) == {"settings": Op.ADOPT}
    assert BY_WHOM in plan.messages
    assert plan.digest == again.digest != "", "the copy's own passphrase, another one each time, is no part of it"
    assert set(cli.commands) == {"stack export", "config"}


def test_up_adopts_and_imports_a_state_with_the_same_secrets_provider(stack, cli):
    with FakeApi(existing_config_map(colour="blue")) as api:
        uid = stored_object(api)["metadata"]["uid"]
        one = stack(api, config_map(colour="red"))
        done = one.up(plan=one.preview())
        assert done.failures == []
        assert (stored_object(api)["metadata"]["uid"], stored_object(api)["data"]) == (uid, {"colour": "red"})
    assert ops(done) == {"settings": Op.ADOPT}
    assert cli.deployment["secrets_providers"] == KMS
    assert cli.resources["settings"]["importID"] == "default/settings"
    root = next(one for one in from_export(cli.deployment).resources if one.type == "pulumi:pulumi:Stack")
    assert root.outputs == {"door": Secret("hunter2")}, "what is secret comes to the CLI as secret"
    assert len(cli.imported) == 2, "as it was, to see that it can be written, and as it is"
    with FakeApi() as api:
        assert ops(stack(api).preview()) == {"settings": Op.DELETE}, "the next run goes by the imported state"


def test_backend_that_refuses_the_state_stops_the_run_before_any_change(stack, cli):
    cli.refuses = ["the stack is currently locked by 1 lock(s)"]
    with FakeApi(existing_config_map(colour="blue")) as api:
        with pytest.raises(EngineError, match=r"currently locked by 1 lock.*; nothing was changed"):
            stack(api, config_map(colour="red")).up()
        assert stored_object(api)["data"] == {"colour": "blue"}


def test_state_without_a_secrets_provider_is_refused_as_its_secrets_would_be_clear_text(stack, cli):
    del cli.deployment["secrets_providers"]
    with FakeApi() as api, pytest.raises(EngineError, match=r"names no secrets provider.*nothing was cha") as refused:
        stack(api, config_map()).up()
    assert "change-secrets-provider" in refused.value.hint


def test_import_is_repeated_until_the_backend_accepts_the_state(stack, cli):
    cli.refuses = [None, "timeout", "timeout"]
    with FakeApi(existing_config_map()) as api:
        assert stack(api, config_map()).up().failures == []
    assert "settings" in cli.resources


def test_import_that_always_fails_is_one_line_and_the_next_run_adopts_the_rest(stack, cli):
    cli.refuses = [None, "timeout", "timeout", "timeout"]
    with FakeApi(existing_config_map()) as api:
        with pytest.raises(EngineError, match="timeout; the changes of this run are not in the state") as refused:
            stack(api, config_map(), config_map("made")).up()
        assert "run the same command again" in refused.value.hint
        uid = stored_object(api, "made")["metadata"]["uid"]
        done = stack(api, config_map(), config_map("made")).up()
        assert ops(done) == {"settings": Op.ADOPT, "made": Op.ADOPT}
        assert stored_object(api, "made")["metadata"]["uid"] == uid
    assert {"settings", "made"} <= cli.resources.keys()


def test_failed_run_imports_the_resources_that_it_has_changed(stack, cli):
    with FakeApi(existing_config_map(), existing_config_map("other")) as api:
        api.refusals["ConfigMap", "other"] = "no"
        done = stack(api, config_map(), config_map("other")).up()
    assert done.failures
    assert "settings" in cli.resources
    assert "other" not in cli.resources


def test_state_that_another_run_has_changed_in_the_meantime_is_not_overwritten(stack, cli):
    other = {"manifest": {"time": "now"}, "secrets_providers": KMS, "resources": []}

    def meanwhile():
        cli.deployment = other

    with (
        FakeApi(existing_config_map()) as api,
        pytest.raises(EngineError, match="another run has changed the state of stack test"),
    ):
        stack(api, config_map(), more=meanwhile).up()
    assert cli.deployment is other


def test_pending_operations_of_an_interrupted_cli_run_are_exported_with_the_state(stack, cli):
    """An import drops pending operations, so the state is not imported before the run has settled them."""
    with FakeApi(existing_config_map()) as api:
        stack(api, config_map()).up()
        begun = cli.resources["settings"]
        cli.deployment = {**cli.deployment, "pending_operations": [{"resource": begun, "type": "updating"}]}
        assert [op.type for op in from_export(cli.deployment).pending] == ["updating"]
        cli.imported.clear()
        assert stack(api, config_map()).up().failures == []
    assert len(cli.imported) == 1


def test_outputs_of_another_stack_come_from_the_cli_and_stay_secret(stack, cli):
    one = stack(None)
    assert one._outputs("organization/other/prod") == {"open": "1", "shut": Secret("2")}


@pytest.mark.parametrize(
    ("url", "provider", "state", "copied"),
    [
        ("file://{}/state", None, None, False),
        ("file://{}/state", "passphrase", {"type": "passphrase"}, False),
        ("file://{}/state", "awskms://alias/fleet", None, True),
        ("file://{}/state", None, {"type": "cloud", "state": {}}, True),
        ("s3://states", None, None, True),
        ("https://api.pulumi.com", None, None, True),
    ],
)
def test_no_copy_is_made_where_the_embedded_engine_can_open_the_stack(
    tmp_path, monkeypatch, url, provider, state, copied
):
    monkeypatch.setattr("flotilla.deploy.engines.missing_for_cli", list)
    monkeypatch.setenv("PULUMI_BACKEND_URL", url.format(tmp_path))
    (tmp_path / "Pulumi.yaml").write_text("name: p\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(json.dumps({"secretsprovider": provider} if provider else {}))
    if state:
        salt = {"salt": "v1:YWFhYWFhYWE=:v1:YWFhYWFhYWFhYWFh:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="}
        latest = {"secrets_providers": {"state": salt, **state}}
        file = tmp_path / "state" / ".pulumi" / "stacks" / "p" / "dev.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "organization/p/dev", "latest": latest}}))
    setting = Setting(tmp_path, "dev", adopt=Adoption(asked=True))
    assert isinstance(open_stack(EngineName.PULUMI, setting), AdoptingPulumiStack)
    chosen = open_stack(EngineName.AUTO, setting)
    assert chosen.engine is (EngineName.PULUMI if copied else EngineName.EMBEDDED)
    monkeypatch.setattr("flotilla.deploy.engines.missing_for_cli", lambda: ["pulumi"])
    with pytest.raises(EngineError, match="--engine pulumi needs pulumi on the PATH"):
        open_stack(EngineName.PULUMI, setting)


def test_in_a_folder_both_engines_adopt_on_the_same_files(stack, tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path / 'state'}")
    with FakeApi(existing_config_map()) as api:
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
        (tmp_path / "Pulumi.test.yaml").write_text("config: {adopting:door: hunter2}\n")
        one = stack(api, config_map())
        assert ops(one.up(plan=one.preview())) == {"settings": Op.ADOPT}
    assert (tmp_path / "state" / ".pulumi" / "stacks" / "adopting" / "test.json").is_file()
