"""Each error of an `up` is printed exactly once: when it happens, or at the end."""

# ruff: noqa: F811 - fixtures are arguments here

import shutil

import pytest

from components import rollout
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.errors import ClusterError
from flotilla.kube.wire import Unreachable
from flotilla.providers import Live
from tests.conftest import REPOSITORY
from tests.unit import in_memory
from tests.unit.in_memory import world  # noqa: F401 - a fixture

REASON = "member1: no answer from https://127.0.0.1:2 while"


@pytest.fixture
def up(stack, project, capsys):
    """Run `up` with text output; return its standard output (the plan) and its standard error."""
    shutil.copy(REPOSITORY / "__main__.py", project / "__main__.py")

    def up():
        assert main(["up", "-C", str(project), "-s", "dev", "--engine", "embedded", "--yes"]) == ExitCode.FAILED
        return capsys.readouterr()

    return up


def test_failed_step_is_printed_once_with_its_hint(world, up, monkeypatch):
    def fail(*_):
        raise ClusterError("nginx is not healthy in member1", hint="look at its logs")

    monkeypatch.setattr(rollout.RolloutProvider, "create", fail)
    said = up().err
    assert "  failed create nginx-rollout: nginx is not healthy in member1; hint: look at its logs" in said
    assert [said.count(text) for text in ("nginx is not healthy", "look at its logs")] == [1, 1]
    assert said.splitlines()[-1] == "error: 1 failed (the stack itself 1); the reasons are above"


def test_cluster_that_never_answers_is_printed_once(up, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    printed = up()
    assert [text.count(REASON) for text in (printed.out, printed.err)] == [1, 1]
    assert "; not asked whether it has the new copies already" in printed.out
    assert "error: member1 did not answer; nothing had to be changed there" in printed.err


def test_cluster_that_stops_answering_is_printed_once(world, up, monkeypatch):
    def write(self, inputs) -> Live:
        if self._cluster == "member1-provider":
            raise Unreachable(f"{REASON} applying {inputs['kind']}: connection refused", status=0)
        return written(self, inputs)

    written = in_memory._Provider._write
    monkeypatch.setattr(in_memory._Provider, "_write", write)
    said = up().err
    assert said.count(REASON) == 1
    assert "error: member1 did not answer; " in said
    assert "of its resources" in said
