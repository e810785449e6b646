"""`flotilla rollout`: changes in progress, and requests of a person, on a small fake API server."""

import json
import re

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.errors import FlotillaError
from flotilla.karmada.waves import controls
from flotilla.karmada.waves.record import ABORTED, APPROVED, PAUSED, Phase, Store, reference
from flotilla.karmada.waves.standing import awaited, held_back_in, held_back_text, standing
from flotilla.kube.connection import connect
from flotilla.state.backend import StackFiles
from flotilla.state.locks import write_lock
from tests.conftest import REPOSITORY
from tests.faults.fake import FakeApi
from tests.unit.waves import kept, record

DONE = ("member1", "member2", "member3")
WHERE = reference("default", "nginx")
BY = re.compile(r"\S+@\S+ at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def api():
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def run(project, sections, api, monkeypatch, capsys):
    """Run `flotilla rollout` for a stack on the fake control plane; return exit code, output and errors."""
    for key in ("PULUMI_BACKEND_URL", "FLOTILLA_STACK"):
        monkeypatch.delenv(key, raising=False)
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    (project / "stacks").mkdir()
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    (project / "kube.yaml").write_text(api.kubeconfig)

    def do(verb, *words):
        code = main(["rollout", verb, "-C", str(project), "-s", "dev", *words])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return do


def annotations(api):
    return api.find("v1", "Secret", WHERE.name, "kube-system")["metadata"].get("annotations") or {}


# -- listing -----------------------------------------------------------------------------------------


def test_no_change_is_in_progress(run):
    code, out, _ = run("status")
    assert (code, out) == (0, "no change in waves is under way\n")
    code, out, _ = run("status", "--json")
    assert json.loads(out) == {"version": 1, "stack": "dev", "rollouts": [], "others": 0}


def test_change_is_listed_with_what_it_waits_for(run, api):
    api.put(kept(record()))
    _, out, _ = run("status")
    row = re.sub(" {2,}", " | ", out.splitlines()[1])
    assert row.startswith("default | nginx | 0123456789ab | ")
    assert row.endswith(" | member1 | member2, member3, member4 | wave 2 of 3 waits for approval")
    assert "`flotilla rollout approve nginx`" in out
    assert sum(one.startswith("GET /api/v1/namespaces/kube-system/secrets") for one in api.requests) == 1


def test_a_change_as_json(run, api):
    api.put(kept(record(phase=Phase.FAILED, why="member2: unhealthy"), paused="anna@build at 2026-11-26T10:00:00Z"))
    _, out, _ = run("status", "nginx", "--json")
    (found,) = json.loads(out)["rollouts"]
    assert found == {
        "namespace": "default",
        "workload": "nginx",
        "change": "0123456789ab",
        "phase": "failed",
        "wave": 2,
        "waves": [
            {"number": 1, "clusters": ["member1"], "passed": True},
            {"number": 2, "clusters": ["member2", "member3"], "passed": False},
            {"number": 3, "clusters": ["member4"], "passed": False},
        ],
        "reached": ["member1"],
        "held": ["member2", "member3", "member4"],
        "since": "2026-11-26T10:00:00Z",
        "why": "member2: unhealthy",
        "text": "failed: member2: unhealthy; a pause asked for by anna@build at 2026-11-26T10:00:00Z",
        "waitsFor": "",
        "paused": "anna@build at 2026-11-26T10:00:00Z",
        "aborted": "",
        "approved": [],
    }


def test_changes_of_other_stacks_are_only_counted(run, api):
    api.put(kept(record("other")))
    api.put(kept(record(), namespace="elsewhere"))
    _, out, _ = run("status", "--json")
    assert (json.loads(out)["rollouts"], json.loads(out)["others"]) == ([], 2)
    assert "2 changes more" in run("status")[1]


def test_kubeconfig_without_a_stack_lists_all_changes(run, api, project):
    api.put(kept(record("other"), namespace="elsewhere"))
    code, out, _ = run("status", "--kubeconfig", str(project / "kube.yaml"))
    assert code == 0
    assert "elsewhere" in out


def test_secret_without_a_record_is_left_out(run, api):
    broken = kept(record())
    broken["data"]["record"] = "!!"
    api.put(broken)
    assert run("status")[1] == "no change in waves is under way\n"


# -- requests ----------------------------------------------------------------------------------------


def test_pause_and_resume_record_the_user_and_the_time(run, api):
    api.put(kept(record(phase=Phase.MOVING)))
    code, out, _ = run("pause", "nginx")
    assert code == 0
    assert BY.fullmatch(annotations(api)[PAUSED])
    assert "no further wave starts" in out
    assert "no `up` is running: the next one does it" in out
    first = annotations(api)
    assert run("pause", "nginx")[0] == 0
    assert annotations(api) == first, "who paused it first is kept"
    code, out, _ = run("resume", "nginx")
    assert (code, annotations(api)) == (0, {})
    assert "goes on" in out
    assert "was not paused" in run("resume", "nginx")[1]


def test_abort_says_what_happens_to_the_clusters_that_have_the_change(run, api, project):
    api.put(kept(record(phase=Phase.MOVING)))
    write_lock(StackFiles(project / ".flotilla" / "state", "flotilla", "dev").locks)
    code, out, _ = run("abort", "nginx", "--json")
    document = json.loads(out)
    assert code == 0
    assert BY.fullmatch(annotations(api)[ABORTED])
    assert "taken back in member1" in document["outcome"]
    assert document["who"].startswith("the running `up` does it (process ")
    assert document["rollout"]["aborted"] == annotations(api)[ABORTED]


def test_abort_does_not_name_the_run_if_the_locks_of_the_backend_are_no_files(run, api, monkeypatch):
    api.put(kept(record(phase=Phase.MOVING)))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.pulumi.example")
    assert "the running `up` does it, or the next one" in run("pause", "nginx")[1]


def test_approve_approves_the_current_wait_and_keeps_other_approvals(run, api):
    api.put(kept(record(), approved="before-1"))
    code, out, _ = run("approve", "nginx", "--change", "0123")
    assert code == 0
    assert annotations(api)[APPROVED] == "before-1,before-2"
    assert "wave 2 is approved (to start)" in out
    assert run("approve", "nginx")[0] == 0
    assert annotations(api)[APPROVED] == "before-1,before-2", "twice is once"


def test_approve_with_a_wave_approves_that_wave(run, api):
    api.put(kept(record(reached=DONE)))
    assert "(as done)" in run("approve", "nginx", "--wave", "2")[1]
    assert annotations(api)[APPROVED] == "after-2"


@pytest.mark.parametrize(
    ("found", "words", "code", "why"),
    [
        (record(phase=Phase.MOVING), ("approve", "nginx"), 1, "waits for no approval (wave 2 of 3 is under way)"),
        (record(), ("approve", "nginx", "--wave", "3"), 1, "the approval of wave 2, not of wave 3"),
        (record(), ("approve", "nginx", "--wave", "9"), 2, "has no wave 9: its change has 1, 2, 3"),
        (record(), ("approve", "nginx", "--wave", "0"), 2, "give a whole number from 1 to 1000"),
        (record(), ("approve", "nginx", "--change", "ffff"), 1, "the change that is under way is 0123456789ab"),
        (record(), ("approve", "nobody"), 2, "stack dev has no workload 'nobody'"),
        (record(), ("status", "nobody"), 2, "stack dev has no workload 'nobody'"),
        (record("other"), ("pause", "nginx"), 1, "no change in waves is under way"),
        (record(phase=Phase.REVERTED), ("abort", "nginx"), 1, "there is nothing to abort"),
        (record(phase=Phase.REVERTED), ("pause", "nginx"), 1, "there is nothing to pause"),
        (record(), ("pause",), 2, "workload"),
    ],
)
def test_invalid_request_is_one_line_and_changes_nothing(run, api, found, words, code, why):
    api.put(kept(found))
    before = api.find("v1", "Secret", reference("default", found.workload).name, "kube-system")
    ended, _, err = run(*words)
    assert (ended, why in err) == (code, True), err
    assert api.find("v1", "Secret", reference("default", found.workload).name, "kube-system") == before


def test_approval_after_an_abort_is_refused(run, api):
    api.put(kept(record()))
    assert run("abort", "nginx")[0] == 0
    code, _, err = run("approve", "nginx")
    assert code == 1
    assert "an abort was asked for" in err


def test_unreachable_control_plane_is_one_line(run, project, api):
    (project / "kube.yaml").write_text(api.kubeconfig.replace(api.server, "http://127.0.0.1:1"))
    for words in (("status",), ("pause", "nginx")):
        code, _, err = run(*words)
        assert code == 1
        assert err.startswith("error: Karmada")


def test_missing_stack_is_one_line(run, project):
    (project / "stacks" / "Pulumi.dev.yaml").unlink()
    for words in (("status",), ("approve", "nginx")):
        code, _, err = run(*words)
        assert code == 1
        assert "Pulumi.dev.yaml" in err


# -- concurrent writes -------------------------------------------------------------------------------


class Busy:
    """A connection on which somebody else writes the record before each patch."""

    def __init__(self, connection, api, writes):
        self._connection, self._api, self._writes = connection, api, list(writes)

    def find(self, where):
        return self._connection.find(where)

    def patch(self, *arguments, **more):
        if self._writes:
            meanwhile = self._writes.pop(0)
            if meanwhile is None:
                self._api.take("v1", "Secret", WHERE.name, "kube-system")
            else:
                self._api.put(meanwhile)
        return self._connection.patch(*arguments, **more)


def busy(api, *writes):
    return Busy(connect(api.kubeconfig), api, writes)


def test_concurrent_write_of_a_running_up_is_not_lost(api):
    api.put(kept(record()))
    later = kept(record(why="member4 is next"), approved="before-1")
    found, given = controls.approve(busy(api, later), WHERE, record())
    assert given == "before-2"
    assert (found.why, found.approved) == ("member4 is next", ("before-1", "before-2"))


def test_another_change_that_began_in_the_meantime_is_not_approved(api):
    api.put(kept(record()))
    other = kept(record(declaration="another"))
    with pytest.raises(FlotillaError, match="is not the one that you looked at"):
        controls.approve(busy(api, other), WHERE, record())
    assert Store(connect(api.kubeconfig), WHERE).read().approved == ()


def test_wave_that_waits_for_something_else_in_the_meantime_is_not_approved(api):
    api.put(kept(record()))
    other = kept(record(reached=DONE, passed=DONE))
    with pytest.raises(FlotillaError, match="is not the one"):
        controls.approve(busy(api, other), WHERE, record())
    assert Store(connect(api.kubeconfig), WHERE).read().approved == ()


def test_change_that_ends_in_the_meantime_is_reported(api):
    api.put(kept(record()))
    with pytest.raises(FlotillaError, match="has ended"):
        controls.pause(busy(api, None), WHERE, record(), "anna")


def test_record_that_always_changes_ends_in_one_line(api):
    api.put(kept(record()))
    with pytest.raises(FlotillaError, match="try again"):
        controls.pause(busy(api, *(kept(record(why=str(n))) for n in range(20))), WHERE, record(), "anna")


# -- texts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"phase": Phase.NOT_BEGUN, "passed": (), "reached": ()}, "wave 1 of 3 has not begun"),
        ({"phase": Phase.MOVING, "why": "wave 2 of 3 gets it"}, "wave 2 of 3 is under way"),
        ({"phase": Phase.PAUSED, "paused": "anna"}, "wave 2 of 3, paused by anna"),
        ({"phase": Phase.MOVING, "aborted": "anna"}, "wave 2 of 3 is under way; an abort asked for by anna"),
        ({"phase": Phase.REVERTING, "aborted": "anna"}, "being taken back: wave 2 of 3"),
        ({"phase": Phase.REVERTED, "why": "wave 1 failed"}, "taken back: wave 1 failed"),
        ({"reached": DONE}, "wave 2 of 3 waits for approval, which ends it"),
    ],
)
def test_text_for_the_stage_of_a_change(values, text):
    assert standing(record(**values)) == text


def test_text_for_what_a_change_waits_for_and_the_held_back_clusters():
    assert awaited(record()) == "before-2"
    assert awaited(record(phase=Phase.MOVING)) == ""
    assert awaited(record(passed=(), reached=("member1",))) == "after-1"
    assert awaited(record(passed=DONE, reached=DONE)) == "before-3"
    assert held_back_text(record(), ["member2"]) == "held back by the rollout: member2 (wave 2 of 3 waits for approval)"
    assert held_back_in(record(), "member4") == "held back by the rollout (wave 3)"
    assert held_back_in(record(), "member1") == ""
    assert held_back_in(record(phase=Phase.REVERTED), "member4") == ""
