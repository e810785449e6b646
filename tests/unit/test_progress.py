"""Progress output: current operations on a terminal, one line per step in a pipe, and a summary at the end."""

import io
import os

import pytest

from flotilla.cli import consoles, output
from flotilla.cli.consoles import SafeConsole
from flotilla.cli.output import Output
from flotilla.cli.progress import Progress, duration
from flotilla.plan.steps import Op, Phase, Result, Step, StepEvent

PROVIDER = "urn:pulumi:s::p::pulumi:providers:kubernetes::{}-provider::id"


def step(name, op=Op.CREATE, cluster="member1"):
    provider = PROVIDER.format(cluster) if cluster else ""
    return Step(op, f"urn:pulumi:s::p::kubernetes:v1:ConfigMap::{name}", "kubernetes:v1:ConfigMap", provider)


def rollout():
    return Step(Op.CREATE, "urn:pulumi:s::p::pulumi-python:dynamic:Resource::nginx-rollout", "pulumi-python:dynamic")


def begin_step(progress, *steps):
    for one in steps:
        progress.record(StepEvent(Phase.BEGIN, one))


def rows(progress, width=100):
    return [row.replace("  0 s  ", "  ") for row in progress.rows(_now(progress), width)]


def _now(progress):
    return max((one.since for one in progress._running.values()), default=0.0)


@pytest.fixture
def progress():
    return Progress(SafeConsole(file=io.StringIO()), live=True)


def test_operations_in_progress_are_shown_by_cluster_and_workload_with_their_wait(progress):
    begin_step(progress, step("web"), step("api", Op.UPDATE, "member2"), rollout(), step("same", Op.SAME))
    said = "rollout of nginx: member1: Deployment default/nginx: 1 of 2 replicas are ready"
    progress.record(StepEvent(Phase.WAITING, rollout(), said=said))
    assert rows(progress) == [
        "  rollout of nginx  waits for member1: Deployment default/nginx: 1 of 2 replicas are ready",
        "  member1: web  creating",
        "  member2: api  updating",
    ]
    progress.record(StepEvent(Phase.DONE, step("web"), 0.2))
    progress.record(StepEvent(Phase.FAILED, rollout(), error="too late"))
    assert rows(progress) == ["  member2: api  updating"]


def test_wait_without_a_known_resource_is_shown_once_with_its_last_text(progress):
    """Pulumi's CLI does not say to which resource a line belongs."""
    for number in (1, 2):
        progress.record(StepEvent(Phase.WAITING, Step(Op.SAME, "", ""), said=f"rollout of nginx: member{number}: slow"))
    assert rows(progress) == ["  rollout of nginx  waits for member2: slow"]


def test_rows_are_bounded_fit_the_terminal_and_have_no_control_characters(progress):
    begin_step(progress, *(step(f"object-{number:02}\x1b[2J" + "x" * 200) for number in range(50)))
    found = rows(progress, width=40)
    assert len(found) == 13
    assert found[-1] == "  … and 38 more"
    assert max(map(len, found)) <= 40
    assert "\x1b" not in "".join(found)


def test_summary_counts_steps_and_names_the_slowest(progress):
    for name, seconds in (("web", 2.5), ("api", 75.0), ("quick", 0.1)):
        progress.record(StepEvent(Phase.DONE, step(name), seconds))
    progress.seconds = 80.2
    result = Result(steps=[step("web"), step("api"), step("old", Op.DELETE), step("kept", Op.SAME)], failures=["x"])
    assert list(progress.summary(result)) == [
        "2 created, 1 deleted, 1 unchanged, 1 failed; 1 min 20 s",
        "slowest: api in member1 1 min 15 s, web in member1 2.5 s",
    ]
    assert [duration(one) for one in (0.04, 9.96, 59.6)] == ["0.0 s", "10.0 s", "1 min 0 s"]


def events(shown):
    with shown.running():
        for phase, said in ((Phase.BEGIN, ""), (Phase.WAITING, "web: not ready"), (Phase.DONE, "")):
            shown.on_step(StepEvent(phase, step("web"), 1.5, said=said))
    shown.print_summary(Result(steps=[step("web")]))


def test_each_step_is_one_line_in_a_pipe_without_overwriting(capsys):
    events(Output(as_json=False))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["  … web: not ready", "  + web  1.5 s"]
    assert lines[2].startswith("1 created; 0.")
    assert lines[3] == "slowest: web in member1 1.5 s"


def test_json_and_quiet_runs_have_no_progress_and_no_summary(capsys):
    events(Output(as_json=False, quiet=True))
    assert capsys.readouterr().err == ""
    shown = Output(as_json=True)
    shown.print_summary(Result(steps=[step("web")]))
    assert capsys.readouterr().err == ""


def test_waits_are_overwritten_on_a_terminal(monkeypatch):
    """A pseudo-terminal: the line of the wait is erased, the line of the step stays."""
    ours, theirs = os.openpty()
    terminal = os.fdopen(theirs, "w", encoding="utf-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    for module in (output, consoles):
        monkeypatch.setattr(module.sys, "stderr", terminal)
    events(Output(as_json=False))
    terminal.flush()
    seen = b""
    while b"slowest: " not in seen:  # the last line; a read may return less than was written
        seen += os.read(ours, 65536)
    text = seen.decode()
    terminal.close()
    os.close(ours)
    assert "+ web  1.5 s" in text
    assert "\x1b[2K" in text, "lines are erased"
    assert "… web: not ready" not in text
