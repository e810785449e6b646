"""The command: its output, the streams it writes to, and its exit codes."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import build_parser, main
from flotilla.cli.verbs import HELP, VERBS
from flotilla.deploy.engines import missing_for_cli, open_stack
from flotilla.deploy.interface import EngineName, Setting, backend_folder
from flotilla.errors import EngineError
from flotilla.plan.changes import change_text
from flotilla.stack.load import load_stack_file
from flotilla.state.diff import Change, ChangeKind
from flotilla.state.values import Secret


def test_valid_stack_is_reported_as_valid(stack, project, capsys):
    assert main(["validate", "-C", str(project), "-s", "dev"]) == ExitCode.DONE
    assert "2 members, 1 workload" in capsys.readouterr().out
    assert main(["validate", "-C", str(project), "-s", "dev", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out) == {"version": 1, "stack": "dev", "valid": True}


def test_a_broken_stack_is_refused_before_anything_runs(stack, project, sections, capsys):
    sections["members"][0]["apiEndpoint"] = "nowhere"
    sections["workloads"][0]["replicas"] = "two"
    stack(sections)
    for verb in ("validate", "preview", "up", "refresh"):
        assert main([verb, "-C", str(project), "-s", "dev"]) == ExitCode.USAGE
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "2 problems" in captured.err
        assert "Traceback" not in captured.err
    assert not (project / ".flotilla").exists()


def test_a_patch_that_does_not_fit_is_refused_before_anything_runs(stack, project, sections, capsys):
    patch = {"op": "replace", "path": "/spec/nothing/here", "value": 1}
    sections["workloads"][0]["overrides"] = [{"clusters": ["member1"], "patches": [patch]}]
    stack(sections)
    assert main(["preview", "-C", str(project), "-s", "dev"]) == ExitCode.FAILED
    assert "the override fails: Deployment nginx" in capsys.readouterr().err


def test_a_missing_stack_or_project_is_one_line(stack, project, tmp_path_factory, capsys):
    assert main(["preview", "-C", str(project), "-s", "prod"]) == ExitCode.FAILED
    assert "stacks with a file: dev" in capsys.readouterr().err
    assert main(["preview", "-C", str(tmp_path_factory.mktemp("empty"))]) == ExitCode.FAILED
    assert "there is no Pulumi.yaml" in capsys.readouterr().err


def test_clusters_that_do_not_answer_are_named_and_up_fails(stack, project, capsys, monkeypatch, repository):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    shutil.copy(repository / "__main__.py", project / "__main__.py")
    verb = ["-C", str(project), "-s", "dev", "--engine", "embedded"]
    assert main(["preview", *verb, "--json"]) == ExitCode.DONE
    plan = json.loads(capsys.readouterr().out)
    assert [one["cluster"] for one in plan["unknown"]] == ["karmada", "member1", "member2"]
    assert "no answer from https://127.0.0.1:1 while asking which cluster it is" in plan["unknown"][0]["reason"]
    assert main(["up", *verb, "--yes"]) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "nothing can be declared in member1: member1: no answer from https://127.0.0.1:2" in said
    assert "Traceback" not in said


def test_command_without_a_verb_prints_the_help(capsys):
    assert main([]) == ExitCode.USAGE
    assert "preview" in capsys.readouterr().out


def test_exit_codes_are_stable(repository):
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "DRIFT": 3,
        "REFUSED": 4,
    }
    documented = (repository / "docs" / "reference" / "exit-codes.md").read_text()
    assert all(f"| {int(code)} |" in documented for code in ExitCode)


def test_embedded_engine_is_used_where_the_cli_is_not_installed(project, stack, monkeypatch):
    monkeypatch.setenv("PATH", str(project))
    monkeypatch.setenv("PULUMI_HOME", str(project))
    assert missing_for_cli() == ["pulumi", "pulumi-language-python"]
    assert open_stack(EngineName.AUTO, Setting(project, "dev")).engine is EngineName.EMBEDDED
    with pytest.raises(EngineError, match="needs pulumi, pulumi-language-python on the PATH"):
        open_stack(EngineName.PULUMI, Setting(project, "dev"))


def test_environment_for_plain_pulumi_does_not_contain_the_passphrase(project, stack, capsys, monkeypatch):
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    assert main(["env", "-C", str(project), "-s", "dev"]) == ExitCode.DONE
    exported = dict(line.removeprefix("export ").split("=", 1) for line in capsys.readouterr().out.splitlines())
    file = Path(exported["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert exported["PULUMI_BACKEND_URL"] == f"file://{file.parent}"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in str(exported)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://ours")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "ours")
    assert main(["env", "-C", str(project), "-s", "dev", "--json"]) == ExitCode.DONE
    kept = json.loads(capsys.readouterr().out)["environment"]
    assert kept["PULUMI_BACKEND_URL"] == "s3://ours"
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in kept


def test_another_backend_is_refused_by_name():
    with pytest.raises(EngineError, match=r"s3://bucket; the embedded engine keeps state in folders"):
        backend_folder("s3://bucket")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Change(("spec", "replicas"), ChangeKind.UPDATE, 2, 4), "replicas 2 → 4"),
        (
            Change(("spec", "template", "spec", "containers", 0, "image"), ChangeKind.UPDATE, "a:1", "a:2"),
            "image a:1 → a:2",
        ),
        (Change(("metadata", "labels", "site"), ChangeKind.ADD, None, "edge"), "labels.site = edge"),
        (Change(("metadata", "labels", "site"), ChangeKind.DELETE, "edge", None), "labels.site is removed (was edge)"),
        (Change(("data", "token"), ChangeKind.UPDATE, Secret("a"), Secret("b")), "data.token [secret] → [secret]"),
    ],
)
def test_changes_are_shown_by_object_names(change, text):
    assert change_text(change) == text


def complete(line, repository, tmp_path):
    """Return the shell's completions at the end of a line, by argcomplete's protocol."""
    out = tmp_path / "completions"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(out),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run([sys.executable, "-m", "flotilla.cli.main"], env=environment, cwd=repository, check=True, timeout=60)
    return sorted(word.strip() for word in out.read_text().splitlines())


def test_the_shell_completes_verbs_stacks_members_and_workloads(repository, tmp_path, capsys):
    assert complete("flotilla wor", repository, tmp_path) == ["workloads"]
    assert "production" in complete("flotilla status -s pro", repository, tmp_path)
    names = complete("flotilla status -s dev --cluster ", repository, tmp_path)
    fleet = load_stack_file(repository / "stacks" / "Pulumi.dev.yaml", files=False)
    assert names == sorted(member.name for member in fleet.members)
    assert complete("flotilla logs -s dev n", repository, tmp_path) == ["nginx"]
    assert complete("flotilla status -s missing --cluster ", repository, tmp_path) == []
    for shell in ("bash", "zsh", "fish"):
        assert main(["completion", shell]) == 0
        assert "flotilla" in capsys.readouterr().out


@pytest.mark.parametrize("given", ["", "up", "state", "nothing"])
def test_help_lists_every_verb_with_or_without_a_verb(given):
    whole = build_parser()
    assert build_parser(given).format_help() == whole.format_help()
    (verbs,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    assert list(verbs.choices) == list(HELP)


def test_each_verb_is_in_the_module_that_the_list_gives():
    for module, listed in VERBS.items():
        for verb in listed:
            (verbs,) = (a for a in build_parser(verb)._actions if isinstance(a, argparse._SubParsersAction))
            other = next(name for name in HELP if name not in listed)
            assert len(verbs.choices[verb]._actions) > 1, (module, verb)
            assert len(verbs.choices[other]._actions) == 1, other
