"""A stack changes from the embedded engine to Pulumi's CLI and back, on one state, without planned changes."""

import sys
from pathlib import Path

import pulumi
import pytest

from flotilla.deploy.embedded import embedded_stack
from flotilla.deploy.interface import Setting
from flotilla.deploy.pulumi_cli import PulumiStack
from flotilla.plan.steps import CHANGING
from tests.conformance.file_resource import FileResource, Group
from tests.conformance.versions import CLI_NEEDS, require

pytestmark = pytest.mark.live


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Return a function: `both(value)` returns the embedded engine and the CLI for one stack with that value."""
    require(*CLI_NEEDS)
    for folder in ("project", "files", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "project" / "Pulumi.yaml").write_text("name: handover\nruntime: python\n")
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path / 'state'}")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "handover")
    monkeypatch.setenv("PULUMI_PYTHON_CMD", sys.executable)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))

    def make(value):
        def program():
            group = Group("group")
            one = FileResource(
                "one",
                {"folder": str(tmp_path / "files"), "value": value, "secret": pulumi.Output.secret("hunter2")},
                pulumi.ResourceOptions(parent=group),
            )
            FileResource("two", {"folder": str(tmp_path / "files"), "value": one.path})
            pulumi.export("secret", pulumi.Output.secret("hunter3"))

        setting = Setting(tmp_path / "project", "test", program=program)
        return embedded_stack(setting), PulumiStack(setting)

    return make


def changes(result):
    assert result.failures == []
    return [step for step in result.steps if step.op in CHANGING]


def test_a_stack_changes_from_the_embedded_engine_to_the_cli_and_back(both, tmp_path):
    embedded, cli = both("1")
    assert changes(embedded.up())
    assert changes(cli.preview()) == []
    assert changes(cli.refresh(preview_only=True)) == []
    embedded, cli = both("2")
    assert [(str(s.op), s.name) for s in changes(cli.up())] == [("update", "one")]
    assert changes(embedded.preview()) == []
    assert changes(embedded.refresh(preview_only=True)) == []
    embedded, cli = both("3")
    assert [(str(s.op), s.name) for s in changes(embedded.up())] == [("update", "one")]
    assert changes(cli.preview()) == []
    assert cli.up().outputs == embedded.up().outputs
    assert changes(cli.destroy())
    assert embedded.snapshot().resources == ()
    assert not list((tmp_path / "files").iterdir())


@pytest.mark.parametrize("engine", ["embedded", "CLI"])
def test_a_child_stays_the_same_resource_under_another_parent(both, tmp_path, engine):
    """Templates are children of their workload, and a renamed workload must not change them."""

    def stack(parent, name, aliases):
        def program():
            group = Group(parent)
            options = pulumi.ResourceOptions(parent=group, aliases=[pulumi.Alias(name=alias) for alias in aliases])
            FileResource(name, {"folder": str(tmp_path / "files"), "name": "common", "value": "1"}, options)

        setting = Setting(tmp_path / "project", "test", program=program)
        return embedded_stack(setting) if engine == "embedded" else PulumiStack(setting)

    assert changes(stack("shop", "shop-file", []).up())
    assert changes(stack("shop", "file", ["shop-file"]).preview()) == []
    stack("shop", "file", ["shop-file"]).up()
    renamed = changes(stack("store", "file", ["store-file"]).preview())
    assert sorted((str(step.op), step.name) for step in renamed) == [("create", "store"), ("delete", "shop")]
    stack("store", "file", ["store-file"]).up()
    assert changes(stack("store", "file", ["store-file"]).preview()) == []
