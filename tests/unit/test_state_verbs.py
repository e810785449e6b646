"""`flotilla state show`, `restore` and `unlock`: output, confirmations and results."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from flotilla.cli.main import main
from flotilla.engine.stack import EmbeddedStack
from flotilla.state.backend import StackFiles
from flotilla.state.config import Project
from tests.conformance.file_resource import FileResource


@pytest.fixture
def files(state_folder):
    return StackFiles(state_folder, "unit", "test")


@pytest.fixture
def up(state_folder):
    """Run a program that creates files, given as names and values."""

    def run(**values):
        def program():
            for name, value in values.items():
                FileResource(name, {"folder": str(state_folder / "files"), "value": value})

        stack = EmbeddedStack(Project.load(state_folder), "test", state_folder, program=program)
        assert stack.up().failures == []
        return stack

    return run


@pytest.fixture
def state(state_folder, capsys):
    """Run a verb with --json; return its exit code, its document and its error output."""

    def run(verb, *arguments):
        code = main(["state", verb, "-C", str(state_folder), "-s", "test", "--json", *arguments])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else None, printed.err

    return run


def test_show_has_the_paths_of_state_backups_and_locks(files, up, state):
    up(one="1")
    up(one="2")
    with files.locked(print) as own:
        code, document, _ = state("show")
    assert code == 0
    assert document["state"]["file"] == str(files.checkpoint)
    assert (document["state"]["resources"], document["state"]["problem"]) == (3, "")
    assert str(files.bak) in [copy["file"] for copy in document["backups"]]
    assert {copy["resources"] for copy in document["backups"]} == {3}
    (lock,) = document["locks"]
    assert (lock["file"], lock["pid"], lock["holder"]) == (str(own), os.getpid(), "live")


def test_show_needs_no_passphrase_and_reports_problems(files, up, state, monkeypatch):
    up(one="1")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    files.checkpoint.write_text("")
    code, document, _ = state("show")
    assert code == 1
    assert document["state"]["problem"] == "is empty"


def test_restore_shows_differences_and_restores_the_newest_valid_backup(files, up, state):
    up(a="1", b="1")
    stack = up(a="2", c="1")
    wanted = files.checkpoint.read_text()
    stack.refresh()
    files.checkpoint.write_text(wanted[:-50])
    (files.backups / "test.99.json").write_text("{")
    code, document, _ = state("restore", "--yes")
    assert code == 0
    assert document["restored"]
    assert {urn.rpartition("::")[2] for urn in document["added"]} == {"unit-test", "default", "a", "c"}
    assert Path(document["kept"]).read_text() == wanted[:-50]
    assert stack.preview().changes == []


def test_restore_of_an_older_backup_lists_added_removed_and_changed_resources(files, up, state):
    up(a="1", b="1")
    older = files.checkpoint.read_text()
    up(a="2", c="1")
    (files.root / "older.json").write_text(older)
    code, document, _ = state("restore", "--backup", str(files.root / "older.json"), "--yes")
    assert code == 0
    names = {key: [urn.rpartition("::")[2] for urn in document[key]] for key in ("added", "removed")}
    assert names == {"added": ["b"], "removed": ["c"]}
    (changed,) = [entry for entry in document["changed"] if entry["urn"].endswith("::a")]
    assert changed["paths"] == ["value"]
    assert files.checkpoint.read_text() == older
    (by_name,) = files.backups.glob("test.*.json.gz")
    assert state("restore", "--backup", by_name.name)[1]["backup"]["file"] == str(by_name)


def test_restore_changes_nothing_without_a_terminal_and_yes(files, up, state):
    up(a="1")
    files.checkpoint.write_text("")
    code, document, said = state("restore")
    assert code == 2
    assert not document["restored"]
    assert "--yes" in said
    assert files.checkpoint.read_text() == ""


def test_restore_of_the_current_state_changes_nothing(files, up, state):
    up(a="1")
    before = files.checkpoint.stat().st_ino
    code, document, _ = state("restore", "--yes")
    assert (code, document["restored"], document["added"], document["removed"]) == (0, False, [], [])
    assert files.checkpoint.stat().st_ino == before


def test_restore_is_refused_while_a_run_has_the_stack(files, up, state):
    up(a="1")
    files.checkpoint.write_text("")
    with files.locked(print):
        code, _, said = state("restore", "--yes")
    assert code == 1
    assert f"is locked by process {os.getpid()}" in said
    assert files.checkpoint.read_text() == ""


@pytest.mark.parametrize(
    ("content", "said"), [(None, "there is no backup"), ("", "is empty"), ('{"version": 9}', "version 9")]
)
def test_restore_of_an_invalid_backup_is_refused(files, up, state, content, said):
    up(a="1")
    if content is not None:
        (files.root / "x.json").write_text(content)
    before = files.checkpoint.read_text()
    code, _, err = state("restore", "--yes", "--backup", str(files.root / "x.json"))
    assert code == 1
    assert said in err
    assert files.checkpoint.read_text() == before


def test_state_path_that_became_a_folder_is_restored_and_the_folder_kept(files, up, state):
    up(a="1")
    files.checkpoint.unlink()
    files.checkpoint.mkdir()
    (files.checkpoint / "inside").write_text("x")
    code, document, _ = state("restore", "--yes")
    assert code == 0
    assert [file.name for file in Path(document["kept"]).iterdir()] == ["inside"]
    assert files.checkpoint.is_file()


def test_restore_shows_no_secret(files, state_folder, state, capsys):
    def run(value):
        import pulumi

        def program():
            FileResource("one", {"folder": str(state_folder / "files"), "value": pulumi.Output.secret(value)})

        assert EmbeddedStack(Project.load(state_folder), "test", state_folder, program=program).up().failures == []

    run("hunter2")
    older = files.bak if files.bak.exists() else files.checkpoint
    (state_folder / "older.json").write_text(older.read_text())
    run("hunter3")
    assert (
        main(["state", "restore", "-C", str(state_folder), "-s", "test", "--backup", str(state_folder / "older.json")])
        == 2
    )
    printed = capsys.readouterr()
    assert "~ " in printed.out
    assert "value" in printed.out
    assert "hunter" not in printed.out + printed.err


def other(files, **body):
    files.locks.mkdir(parents=True, exist_ok=True)
    file = files.locks / "other.json"
    known = {"pid": 42, "hostname": "elsewhere", "username": "alice", "timestamp": "2026-01-01T00:00:00Z"}
    file.write_text(json.dumps({**known, **body}))
    file.with_name("other.json.attrs").write_text("{}")
    return file


def test_unlock_names_the_owner_and_breaks_the_lock_of_another_host(files, up, state):
    up(a="1")
    other(files)
    code, document, said = state("unlock")
    assert code == 2
    assert not document["unlocked"]
    assert "--yes" in said
    (lock,) = document["locks"]
    assert (lock["user"], lock["host"], lock["pid"], lock["holder"]) == ("alice", "elsewhere", 42, "unknown")
    code, document, _ = state("unlock", "--yes")
    assert (code, document["unlocked"]) == (0, True)
    assert list(files.locks.iterdir()) == []


def test_unlock_refuses_a_live_process_of_this_host_unless_forced(files, up, state):
    up(a="1")
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        file = other(files, pid=process.pid, hostname=socket.gethostname())
        code, _, said = state("unlock", "--yes")
        assert code == 1
        assert "that process runs on this host" in said
        assert file.exists()
        assert state("unlock", "--yes", "--force")[0] == 0
        assert not file.exists()
    finally:
        process.communicate()


def test_unlock_removes_a_lock_without_content(files, up, state):
    up(a="1")
    files.locks.mkdir(parents=True, exist_ok=True)
    (files.locks / "broken.json").write_text("")
    code, document, _ = state("unlock", "--yes")
    assert (code, document["locks"][0]["problem"]) == (0, "it is empty")
    assert list(files.locks.iterdir()) == []


def test_unlock_without_a_lock_succeeds(up, state):
    up(a="1")
    assert state("unlock")[:2] == (0, {"version": 1, "stack": "test", "locks": [], "unlocked": False})


@pytest.mark.parametrize("verb", ["show", "restore", "unlock"])
def test_other_backend_is_refused_with_the_clis_own_commands(state_folder, state, monkeypatch, verb):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://bucket")
    code, document, said = state(verb)
    assert (code, document["error"]["kind"]) == (1, "failed")
    assert "s3://bucket" in said
    assert "pulumi stack export" in said


def test_text_output_of_show_restore_and_unlock_names_the_files(files, state_folder, up, capsys):
    up(a="1")
    up(a="2")
    files.checkpoint.write_text("")
    other(files)
    for verb, code, said in (
        ("show", 1, "not usable, it is empty"),
        ("restore", 2, "would be replaced by the backup"),
        ("unlock", 2, "process 42 of alice on elsewhere"),
    ):
        assert main(["state", verb, "-C", str(state_folder), "-s", "test"]) == code
        assert said in capsys.readouterr().out
