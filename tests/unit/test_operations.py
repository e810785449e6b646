"""API requests as steps, without a server: paging, discovery, watches that continue after a gap."""

import asyncio
import datetime as dt

import pytest

from flotilla.cli.tables import age
from flotilla.karmada.client.sources import of_pod
from flotilla.kube.answers import Answer
from flotilla.kube.credentials import Credentials
from flotilla.kube.following import Followed
from flotilla.kube.objects import ObjectRef
from flotilla.kube.operations import Operations, Page, Scope
from flotilla.kube.wire import ATTEMPTS, ApiError, KindNotServed, Peer, Request, back_off, pause_for

SERVED = {"resources": [{"kind": "Thing", "name": "things", "namespaced": True, "shortNames": ["th"]}]}


def play(steps, answers):
    """Run steps with answers given one by one; return the result and what was asked."""
    asked = []
    try:
        request = next(steps)
        while True:
            asked.append(request)
            answer = answers.pop(0)
            request = steps.throw(answer) if isinstance(answer, Exception) else steps.send(answer)
    except StopIteration as done:
        return done.value, asked


def operations():
    return Operations(Peer("one", "https://one"))


def items(*names, more="", version="7"):
    return {
        "metadata": {"continue": more, "resourceVersion": version},
        "items": [{"metadata": {"name": name, "resourceVersion": "1"}} for name in names],
    }


def refusal(status):
    return ApiError("no", status=status)


def test_list_is_paged_and_restarted_once_if_it_expired():
    steps = operations().whole("x/v1", "Thing", Scope(namespace="a", labels="b=c"))
    answers = [SERVED, items("a", more="m"), refusal(410), items("a", more="m"), items("b")]
    page, asked = play(steps, answers)
    assert [item["metadata"]["name"] for item in page.items] == ["a", "b"]
    assert page.items[0]["kind"] == "Thing"
    assert asked[1].url("https://one") == "https://one/apis/x/v1/namespaces/a/things?limit=500&labelSelector=b%3Dc"
    assert "continue=m" in asked[2].url("https://one")
    with pytest.raises(ApiError):
        play(operations().whole("x/v1", "Thing"), [SERVED, refusal(410), refusal(410)])


def test_missing_object_is_none_and_unserved_kind_is_an_error():
    ref = ObjectRef("x/v1", "Thing", "a", "n")
    assert play(operations().find(ref), [SERVED, refusal(404)])[0] is None
    for answer in (refusal(404), refusal(503), {"resources": []}):
        with pytest.raises(KindNotServed, match="serves no Thing in x/v1"):
            play(operations().find(ref), [answer])


def test_kind_is_unserved_only_if_the_api_server_itself_says_so():
    """A proxy also answers 404, an unavailable aggregated API answers 503, and another version may serve the kind."""
    group = {"name": "x", "versions": [{"groupVersion": "x/v1"}, {"groupVersion": "x/v2"}]}
    for answers, gone in (
        ([{"groups": []}, refusal(404)], True),
        ([{"groups": [group]}, {"resources": []}, {"resources": []}], True),
        ([{"groups": [group]}, {"resources": []}, SERVED], False),
        ([{"groups": [group]}, SERVED], False),
    ):
        assert play(operations().unserved("x/v1", "Thing"), answers)[0] is gone
    for answers in ([refusal(404)], [{"groups": []}, refusal(503)], [{"groups": [{"name": 1}]}]):
        with pytest.raises(ApiError):
            play(operations().unserved("x/v1", "Thing"), answers)


def test_kinds_are_found_by_the_names_that_kubectl_accepts():
    groups = {"groups": [{"preferredVersion": {"groupVersion": f"{group}/v1"}} for group in ("down", "x")]}
    for word, answers in (
        ("th", [groups, {"resources": []}, refusal(503), SERVED]),
        ("Thing", [groups, {"resources": []}, refusal(503), SERVED]),
        ("things.x", [groups, SERVED]),
    ):
        assert play(operations().named(word), answers)[0].plural == "things"
    with pytest.raises(KindNotServed):
        play(operations().named("unicorns"), [groups, SERVED, SERVED, SERVED])


def test_errors_name_the_request():
    steps = operations().page("x/v1", "Thing")
    assert next(steps).doing == "listing Things", "also while the kind is only looked up"


def thing(name, version):
    return {"metadata": {"name": name, "resourceVersion": version}}


def test_list_after_a_watch_gap_reports_the_missed_changes():
    followed = Followed()
    assert [e.type for e in followed.listed(Page([thing("a", "1"), thing("b", "2")], "", "2"))] == ["ADDED"] * 2
    assert followed.happened({"type": "ADDED", "object": thing("a", "1")}) is None, "it was reported already"
    assert followed.happened({"type": "MODIFIED", "object": thing("a", "3")}).type == "MODIFIED"
    assert followed.happened({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}) is None
    assert followed.resource_version == "9"
    events = followed.listed(Page([thing("a", "4"), thing("c", "5")], "", "10"))
    assert [(e.type, e.object["metadata"]["name"]) for e in events] == [
        ("DELETED", "b"),
        ("MODIFIED", "a"),
        ("ADDED", "c"),
    ]
    assert followed.happened({"type": "DELETED", "object": thing("b", "6")}) is None
    assert followed.happened({"type": "DELETED", "object": thing("c", "11")}).type == "DELETED"


def test_answer_with_retry_after_is_repeated_within_limits():
    assert pause_for(429, "3", 1) == 3
    assert pause_for(503, "3600", 1) == 5
    assert pause_for(503, "Wed, 21 Oct 2026 07:28:00 GMT", 1) == back_off(1), "a date counts as no number"
    assert pause_for(503, None, ATTEMPTS) is None
    assert pause_for(404, None, 1) is None


def test_log_that_looks_like_json_stays_a_text():
    peer = Peer("one", "https://one")
    request = Request("GET", "/log", "reading a log", accept="text/plain")
    assert peer.decode(request, Answer(200, b'{"level":"info"}')) == '{"level":"info"}'
    with pytest.raises(ApiError, match=r"while reading a log: gone away \(HTTP 400\)"):
        peer.decode(request, Answer(400, b'{"kind":"Status","message":"gone away"}'))


def test_a_pods_token_is_read_again(tmp_path, monkeypatch):
    from flotilla.errors import ClusterError

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ClusterError, match="no credentials of a pod"):
        of_pod(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "ca.crt").write_text("PEM")
    document = of_pod(tmp_path)
    assert document["clusters"][0]["cluster"]["server"] == "https://[fd00::1]:443"
    assert Credentials(document, "a").headers() == {"authorization": "Bearer first"}
    (tmp_path / "token").write_text("second\n")
    assert Credentials(document, "a").headers() == {"authorization": "Bearer second"}


def test_ages_are_formatted_as_by_kubectl():
    now = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    times = {"2026-01-09T23:59:30Z": "30s", "2026-01-09T20:00:00Z": "4h", "2026-01-01T00:00:00Z": "9d"}
    assert {time: age(time, now=now) for time in times} == times
    assert age("") == ""


def test_asyncio_connection_needs_no_loop_before_its_first_request():
    from flotilla.kube.aio import AsyncConnection

    document = {
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    asyncio.run(AsyncConnection(document, name="a").close())
