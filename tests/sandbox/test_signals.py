"""Signals to runs: SIGTERM and SIGHUP act like Ctrl-C, a second signal ends the run, and the state stays valid.

The runs need no clusters.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import REPOSITORY

from .signalled import stack

pytestmark = pytest.mark.timeout(120)

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SOON = 30.0
"""A limit for busy machines; a signal ends a run in some milliseconds."""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "signals")
    (tmp_path / "Pulumi.yaml").write_text("name: signals\nruntime: python\n")
    (tmp_path / "files").mkdir()
    return tmp_path


def _restore_signals():
    """Restore the default handlers: a shell starts background processes with signals ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def begin(folder):
    """Start a run, and return its process when the operation on the slow resource has begun."""
    begun = []

    def run(verb, kind):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.signalled", verb, str(folder), kind],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=REPOSITORY,
            preexec_fn=_restore_signals,  # noqa: PLW1509 - no other thread of the test takes a lock
        )
        begun.append(process)
        assert process.stdout.readline() == "begun\n"
        return process

    yield run
    for process in begun:
        process.kill()
        process.wait()


def ended(process, seconds):
    """Wait until a process ends; return the seconds that it took and the output."""
    start = time.monotonic()
    said, _ = process.communicate(timeout=seconds)
    return time.monotonic() - start, said


def names(folder):
    snapshot = stack(folder, "done").snapshot()
    return sorted(r.name for r in snapshot.resources if r.type.startswith("pulumi-python:")), snapshot.pending


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_waits_and_the_run_writes_its_state_and_releases_the_lock(folder, begin, number):
    process = begin("up", "waits")
    process.send_signal(number)
    _, said = ended(process, SOON)
    assert process.returncode == 1
    assert "interrupted; run the same command again to continue" in said
    assert "Traceback" not in said
    files = stack(folder, "done").files
    assert list(files.locks.iterdir()) == []
    assert names(folder)[0] == ["one"]
    assert stack(folder, "done").up().failures == []
    assert names(folder) == (["one", "slow"], ())


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("verb", ["up", "destroy"])
def test_a_second_signal_ends_a_run_that_hangs_within_seconds(folder, begin, verb, number):
    if verb == "destroy":
        assert stack(folder, "done").up().failures == []
    process = begin(verb, "hangs")
    process.send_signal(number)
    assert "finishing what is in flight" in process.stdout.readline()
    process.send_signal(number)
    seconds, said = ended(process, SOON)
    assert process.returncode == 1
    assert seconds < 6
    assert "ended at once: the state says what was in flight" in said
    files = stack(folder, "done").files
    assert list(files.locks.iterdir()) == []
    written, pending = names(folder)
    assert written == (["one"] if verb == "up" else ["one", "slow"])
    # A later run can't recognize the result of a dynamic creation, so the state has no pending operation for it.
    begun = [("slow", "deleting")] if verb == "destroy" else []
    assert [(op.resource.name, op.type) for op in pending] == begun
    assert stack(folder, "done").up().failures == []
    assert names(folder) == (["one", "slow"], ())


def test_a_run_that_hangs_ends_some_seconds_after_sigterm(folder, begin):
    process = begin("up", "hangs")
    process.send_signal(signal.SIGTERM)
    seconds, said = ended(process, 40)
    assert process.returncode == 1
    assert 7 < seconds < 30
    assert "ended at once" in said
    assert list(stack(folder, "done").files.locks.iterdir()) == []


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_a_preview_immediately(folder, begin, number):
    assert stack(folder, "done").up().failures == []
    process = begin("preview", "hangs")
    process.send_signal(number)
    seconds, said = ended(process, SOON)
    assert process.returncode == 1
    assert seconds < 6
    assert said == "interrupted; nothing was changed\n"


def test_a_run_under_nohup_ignores_sighup(folder):
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "tests.sandbox.signalled", "up", str(folder), "waits"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.send_signal(signal.SIGTERM)
        ended(process, SOON)
    finally:
        process.kill()
        process.wait()


def test_the_next_run_takes_over_the_lock_of_a_killed_run(folder, begin):
    process = begin("up", "hangs")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    said = []
    again = stack(folder, "done")
    again.report = said.append
    assert again.up().failures == []
    assert any(f"taking over the lock of process {process.pid}" in line for line in said)
    assert names(folder) == (["one", "slow"], ())
