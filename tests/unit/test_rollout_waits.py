"""How long a rollout is waited for, and in which cases."""

import pytest

from components import rollout
from components.rollout import RolloutProvider, redivided
from flotilla.errors import NotDone
from flotilla.karmada.status import waiting
from flotilla.karmada.status.rollout import ClusterProgress, Progress
from flotilla.karmada.status.sharing import SharedReader
from flotilla.karmada.status.texts import WaitTexts
from flotilla.karmada.status.waiting import look_until_settled, poll
from flotilla.karmada.template_references import reference_to
from flotilla.kube.connection import ApiError, Unreachable
from flotilla.kube.objects import ref_of
from flotilla.providers import InitializationError
from flotilla.providers.dynamic import DynamicProvider
from flotilla.waiting import heard_by
from tests.unit.ailing import Fleet, Member, pod
from tests.unit.planes import live
from tests.unit.rollouts import WEB, changes, members, on, props, web

# -- the wait --------------------------------------------------------------------------------------------------------


class Clock:
    """A fake clock that is advanced by sleeping."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def waited(looks, timeout=300):
    """Run the wait over prepared looks, of which the last is repeated; return the result and the seconds."""
    clock, rest = Clock(), list(looks)

    def look():
        found = rest.pop(0) if len(rest) > 1 else rest[0]
        if isinstance(found, Exception):
            raise found
        return found

    _, problem = poll(look, timeout, clock=clock, sleep=clock.sleep)
    return problem, clock.now - 100


def progress_of(**clusters):
    return [Progress(WEB, tuple(ClusterProgress(name, 1, 1, *reasons) for name, reasons in clusters.items()))]


DONE, LATE, SILENT = ("",), ("its Work is empty",), ("", "it is gone")
UNSERVED = ("", "", "no load balancer address yet")


def test_first_look_is_immediate_and_two_looks_must_agree():
    assert waited([progress_of(a=DONE)]) == ("", 0.5)
    assert waited([progress_of(a=DONE), progress_of(a=LATE), progress_of(a=DONE)]) == ("", 1.5)


def test_unreachable_member_costs_the_others_nothing_and_the_run_a_grace_period():
    problem, seconds = waited([progress_of(a=LATE, b=SILENT)] * 20 + [progress_of(a=DONE, b=SILENT)])
    assert problem == "is not done: b doesn't answer: it is gone; the others are as declared"
    assert 10 + waiting.GRACE_SECONDS <= seconds < 15 + waiting.GRACE_SECONDS


def test_member_that_comes_back_in_time_is_done():
    problem, _ = waited(
        [progress_of(a=DONE, b=SILENT)] * 8 + [progress_of(a=DONE, b=LATE)] * 8 + [progress_of(a=DONE, b=DONE)]
    )
    assert problem == ""


def test_slow_member_that_answers_is_waited_for_until_the_timeout():
    problem, seconds = waited([progress_of(a=LATE, b=SILENT)], timeout=60)
    assert problem.startswith("is not healthy everywhere after 60 s: Deployment default/web: a: its Work is empty; b:")
    assert 60 < seconds < 64


def test_object_that_no_controller_serves_is_waited_for_briefly_and_is_no_failure():
    """Regression: a Service of type LoadBalancer without a controller cost the whole timeout, and each run failed."""
    problem, seconds = waited([progress_of(a=LATE, b=UNSERVED)] * 20 + [progress_of(a=DONE, b=UNSERVED)])
    assert problem == ""
    assert 10 + waiting.UNSERVED_SECONDS <= seconds < 15 + waiting.UNSERVED_SECONDS


def test_address_that_is_assigned_in_time_ends_the_wait():
    problem, seconds = waited([progress_of(a=UNSERVED)] * 8 + [progress_of(a=DONE)])
    assert (problem, seconds) == ("", 4.0)


def test_timeout_shorter_than_the_grace_period_is_no_failure():
    problem, seconds = waited([progress_of(a=DONE, b=UNSERVED)], timeout=10)
    assert problem == ""
    assert 10 < seconds < 12


def test_other_unhealthy_objects_still_fail():
    problem, _ = waited([progress_of(a=LATE, b=UNSERVED)], timeout=60)
    assert problem.endswith("a: its Work is empty; b: no load balancer address yet")
    problem, seconds = waited([progress_of(a=SILENT, b=UNSERVED)])
    assert problem.startswith("is not done: a doesn't answer")
    assert seconds < waiting.UNSERVED_SECONDS


def test_wait_reports_what_it_waits_for_and_its_end(looks, monkeypatch, capsys):
    """Regression: nothing was printed until the timeout."""
    clock, said = Clock(), []
    monkeypatch.setattr("flotilla.karmada.status.texts._FIRST_SECONDS", 0.0)
    poll(lambda: progress_of(a=LATE), 60, texts=WaitTexts("web", said.append), clock=clock, sleep=clock.sleep)
    assert said == ["rollout of web waits for a: Deployment default/web: its Work is empty"]
    looks[0] = progress_of(a=DONE, b=UNSERVED)
    monkeypatch.setattr(waiting, "UNSERVED_SECONDS", 0.0)
    heard = []
    with heard_by(heard.append):
        outs = RolloutProvider().create(props()).outs
    assert heard[-1].startswith(
        "rollout of web: done, but nothing seems to serve b: Deployment default/web: no load balancer address yet; "
    )
    assert (outs["settled"], outs["unserved"]) == (True, {str(WEB): {"b": "no load balancer address yet"}})
    RolloutProvider().create(props())
    assert "rollout of web: done, but" in capsys.readouterr().out, (
        "under Pulumi's CLI, which shows what providers print"
    )


def test_refresh_ignores_objects_without_a_controller_and_forgets_those_that_are_served(monkeypatch):
    look = [progress_of(a=DONE, b=UNSERVED)]

    class Reader:
        connection = None

        def read_for(self, _templates):
            return None

    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: Reader())
    monkeypatch.setattr(rollout, "_Judge", lambda _check, _reader: lambda _snapshot: look[0])
    monkeypatch.setattr(waiting, "POLL_SECONDS", 60)  # a second look would run into the test's timeout
    declared = props(settled=True, unserved={str(WEB): {"a": "no load balancer address yet"}})
    outs = RolloutProvider().read("web", declared).outs
    assert (outs["settled"], outs["unserved"]) == (True, {str(WEB): {"b": "no load balancer address yet"}})
    assert not changes(outs, props())
    look[0] = progress_of(a=DONE, b=DONE)
    assert "unserved" not in RolloutProvider().read("web", outs).outs


def test_controllers_are_looked_for_only_if_needed_and_not_at_every_look(monkeypatch):
    asked, given = [], []

    class Check:
        def progress(self, _snapshot, servers=None):
            given.append(servers)
            return progress_of(a=UNSERVED)

    monkeypatch.setattr(rollout, "read_servers", lambda _connection: asked.append(1) or {"a": {}})
    judge = rollout._Judge(Check(), type("Reader", (), {"connection": None})())
    for _ in range(3):
        judge(None)
    assert (len(asked), given) == (1, [None, {"a": {}}] * 3)


def test_changed_readiness_rule_is_waited_for():
    assert changes(props(settled=True), props(ready={"Service": "applied"}))
    assert not changes(props(settled=True, ready={"Service": "applied"}), props(ready={"Service": "applied"}))


@pytest.mark.parametrize(
    "error", [Unreachable("no answer", status=0), ApiError("later", status=429), ApiError("x", status=503)]
)
def test_look_that_fails_temporarily_ends_no_wait(error):
    assert waited([error, progress_of(a=DONE), error, progress_of(a=DONE)])[0] == ""
    assert error.message in waited([error], timeout=5)[0]


def test_refresh_looks_again_if_a_rollout_is_in_progress():
    """A controller that has just begun is no drift; a rollout that is still not done after some seconds is."""
    for looks, done, seconds in (([DONE], True, 0), ([LATE, LATE, DONE], True, 1), ([LATE] * 100, False, 3)):
        left, clock = list(looks), Clock()
        progress = look_until_settled(lambda left=left: progress_of(a=left.pop(0)), sleep=clock.sleep)
        assert (progress[0].done, clock() - 100) == (done, seconds)
    assert not look_until_settled(lambda: progress_of(a=LATE), sleep=lambda _seconds: True)[0].done, "asked to end"


def test_process_that_is_asked_to_end_stops_waiting():
    _, problem = poll(lambda: progress_of(a=LATE), 300, clock=Clock(), sleep=lambda _seconds: True)
    assert problem == "was interrupted while waiting for its rollout"


def test_refusal_ends_the_wait_at_once():
    with pytest.raises(ApiError):
        waited([ApiError("forbidden", status=403)])


# -- cases with and without a wait ------------------------------------------------------------------------------------


def test_new_cluster_under_a_members_name_is_waited_for():
    olds = props(members=members("member1"), settled=True)
    assert not changes(olds, props(members=members("member1", member1="401")))
    assert changes(olds, props(members={"member1": {"id": "another", "unanswered": ""}}))
    assert changes(olds, props(members=members("member1", "member2")))


@pytest.mark.parametrize(
    ("olds", "divided_again"),
    [
        (None, True),
        (props(settled=True), False),
        (props(settled=False), True),
        (props(settled=True, templates=[web(5)]), True),
        (props(settled=True, placement=on("member2")), True),
        (props(settled=True, templates=[]), True),
    ],
)
def test_karmada_divides_again_for_other_replicas_or_another_placement(olds, divided_again):
    assert (WEB in redivided(olds, props())) is divided_again


@pytest.fixture
def looks(monkeypatch):
    """Replace what the provider asks Karmada."""
    found = [progress_of(a=LATE)]
    fleet = Fleet(Member("a", live(web()), pod()))
    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: SharedReader(fleet))
    monkeypatch.setattr(rollout, "_looking", lambda _props, _divided, _marks: lambda: found[0])
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(waiting, "_LONGEST_POLL_SECONDS", 0.001)
    return found


def test_failed_rollout_is_recorded_so_that_going_back_is_waited_for(looks):
    """Regression: a failed update kept its old inputs, so going back to them looked unchanged."""
    provider, good, bad = RolloutProvider(), props(settled=True), props(timeout=0, templates=[web(9)])
    with pytest.raises(NotDone, match="workload web is not healthy everywhere") as failed:
        provider.update("web", good, bad)
    kept = {**bad, "templates": [reference_to(web(9))]}
    assert failed.value.outs == {**kept, "settled": False, "scheduled": {}, "written": {}}
    assert changes(failed.value.outs, props())
    assert changes(failed.value.outs, bad)


def test_failed_rollout_has_the_messages_of_the_pods(looks):
    looks[0] = [Progress(WEB, (ClusterProgress("a", 4, 4, "0 of 4 replicas updated", unhealthy=True),))]
    with pytest.raises(NotDone, match=r"a: 0 of 4 replicas updated; a: pod web-1: web: ImagePullBackOff: Back-off"):
        RolloutProvider().create(props(timeout=0))


def test_embedded_engine_stores_a_failed_rollout(looks):
    provider = DynamicProvider()
    inputs = {**props(timeout=0), "__provider": "p"}
    provider.take("p", RolloutProvider())
    urn = "urn:pulumi:test::flotilla::pulumi-python:dynamic/flotilla:Rollout::web-rollout"
    provider.check(urn, None, inputs)
    with pytest.raises(InitializationError) as failed:
        provider.create(urn, inputs, timeout=None, adopt="")
    assert (failed.value.live.id, failed.value.live.outputs["settled"]) == ("web", False)
    assert failed.value.live.outputs["__provider"] == "p"


def test_decisions_of_karmada_are_stored_for_the_next_plan(looks):
    looks[0] = [Progress(WEB, (ClusterProgress("a", 4, 4),), scheduled={"a": 4, "b": None})]
    outs = RolloutProvider().create(props()).outs
    assert (outs["settled"], outs["scheduled"]) == (True, {str(ref_of(web())): {"a": 4, "b": 0}})
