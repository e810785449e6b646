"""Locks name their owner. The next run takes a lock over only if its process has certainly ended."""

import datetime as dt
import json
import os
import socket
import sys

import pytest

from flotilla.errors import EngineError
from flotilla.state import locks
from flotilla.state.backend import StackFiles
from flotilla.state.locks import Holder, Lock, age, write_lock

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /proc")
NOBODY = 4_194_305
"""A number above the kernel's largest for processes."""


@pytest.fixture
def files(tmp_path):
    made = StackFiles(tmp_path, "unit", "test")
    made.locks.mkdir(parents=True)
    return made


def put(files, *, name="other.json", **body):
    known = {
        "pid": os.getpid(),
        "hostname": socket.gethostname(),
        "username": "alice",
        "timestamp": "2026-01-01T00:00:00Z",
    }
    file = files.locks / name
    file.write_text(json.dumps({**known, **body}))
    return file


def test_lock_has_host_user_process_and_age(files):
    since = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).isoformat()
    put(files, pid=42, hostname="elsewhere", timestamp=since)
    with pytest.raises(EngineError) as refused, files.locked(print):
        pass
    assert f"process 42 of alice on elsewhere since {since} (5 minutes ago)" in refused.value.message
    assert "flotilla state unlock -s test" in refused.value.hint
    assert [file.name for file in files.locks.iterdir()] == ["other.json"]


def test_lock_of_the_cli_is_read_with_fractions_of_a_second(files):
    file = put(files, pid=42, hostname="elsewhere", timestamp="2026-01-01T00:00:00.123456789+01:00")
    assert Lock.read(file).seconds > 86400
    assert "days ago" in Lock.read(file).text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (60, "1 minute"), (7300, "2 hours"), (86400, "1 day")]
)
def test_age_is_shown_in_its_largest_unit(seconds, text):
    assert age(seconds) == f"{text} ago"


def test_lock_of_an_ended_process_is_taken_over(files):
    file = put(files, pid=NOBODY)
    said = []
    with files.locked(said.append):
        assert not file.exists()
    assert f"taking over the lock of process {NOBODY} of alice" in said[0]


@LINUX
def test_lock_whose_process_id_was_reused_is_taken_over(files):
    """This process has the ID, but it started at another time than the lock's process."""
    own = Lock.read(write_lock(files.locks))
    assert own.holder is Holder.LIVE
    process = {"started": str(int(own.started) - 1), "boot": own.boot, "namespace": own.namespace}
    assert Lock.read(put(files, process=process)).holder is Holder.GONE


@LINUX
def test_lock_from_before_the_last_boot_is_taken_over(files):
    assert Lock.read(put(files, process={"boot": "another"})).holder is Holder.GONE


@LINUX
def test_lock_of_another_container_on_this_host_is_not_taken_over(files):
    """In this container, its process ID is another process, or none."""
    put(files, pid=NOBODY, process={"boot": locks._boot(), "namespace": "pid:[1]"})
    with pytest.raises(EngineError, match="is locked by"), files.locked(print):
        pass


@LINUX
def test_zombie_process_counts_as_ended(files):
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", ""], os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    try:
        assert Lock.read(put(files, pid=pid)).holder is Holder.GONE
    finally:
        os.waitpid(pid, 0)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", "null", '{"pid": "x"}', '{"pid": null}', '{"pid": true}', "\xff"]
)
def test_lock_file_without_content_is_refused_in_one_line(files, content):
    file = files.locks / "broken.json"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(EngineError) as refused, files.locked(print):
        pass
    assert str(file) in refused.value.message
    assert "\n" not in refused.value.message
    assert "flotilla state unlock" in refused.value.hint


def test_folder_among_the_locks_is_refused_in_one_line(files):
    (files.locks / "odd.json").mkdir()
    with pytest.raises(EngineError, match=r"odd\.json: Is a directory"), files.locked(print):
        pass


def test_user_without_a_name_can_lock(files, monkeypatch):
    def nameless():
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    with files.locked(print) as own:
        assert json.loads(own.read_text())["username"] == str(os.getuid())


def test_lock_that_is_released_during_the_check_is_no_lock(files, monkeypatch):
    file = put(files)
    real = Lock.read

    def read(path):
        file.unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(Lock, "read", read)
    assert locks.found_in(files.locks) == []
