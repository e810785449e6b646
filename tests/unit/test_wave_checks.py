"""The checks of a gate: real commands, real small servers on loopback, and conditions that clusters report."""

import json
import os
import ssl
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from flotilla import waiting
from flotilla.karmada.objects import AggregatedStatusItem
from flotilla.karmada.waves.checks import CheckContext, run_checks
from flotilla.kube.objects import ObjectRef
from flotilla.kube.secrecy import remember
from tests.faults.authority import Authority

TRAINING = ObjectRef("batch/v1", "Job", "training", "default")
TOKEN = "a-token-that-nobody-may-see"


def context(tmp_path, **more):
    return CheckContext(workload="web", wave=2, clusters=("member2", "member3"), base=tmp_path, **more)


def script(folder, text):
    file = folder / "check.sh"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return {"command": ["./check.sh"]}


# -- commands ---------------------------------------------------------------------------------------


def test_successful_command_passes_and_gets_the_wave(tmp_path):
    check = script(tmp_path, 'echo "$FLOTILLA_WORKLOAD $FLOTILLA_WAVE $FLOTILLA_CLUSTERS $PWD" > seen')
    assert run_checks([check], context(tmp_path)) == ""
    assert (tmp_path / "seen").read_text() == f"web 2 member2,member3 {tmp_path}\n"


def test_failed_command_is_quoted_by_its_last_line(tmp_path):
    check = script(tmp_path, "echo looking\necho '3 of 10 requests \033[31mfailed' >&2\nexit 7")
    assert run_checks([check], context(tmp_path)) == (
        r"command ./check.sh: exit code 7: 3 of 10 requests \x1b[31mfailed"
    )
    assert run_checks([script(tmp_path, "exit 1")], context(tmp_path)).endswith("exit code 1, and it printed nothing")


def test_reason_is_bounded_and_one_line(tmp_path):
    found = run_checks([script(tmp_path, "printf '%01000d' 7\nexit 1")], context(tmp_path))
    assert len(found) < 400
    assert found.endswith("…")


def test_secret_of_this_process_is_not_quoted(tmp_path):
    remember(TOKEN)
    assert TOKEN not in run_checks([script(tmp_path, f"echo {TOKEN}; exit 1")], context(tmp_path))


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["no-such-program"], "No such file or directory"),
        (["./data"], "Permission denied"),
        (["./odd"], "Exec format error"),
        (["a\0b"], "NUL"),
    ],
)
def test_command_that_cannot_be_started_is_one_line(tmp_path, command, why):
    (tmp_path / "data").write_text("a")
    (tmp_path / "odd").write_text("not a program")
    (tmp_path / "odd").chmod(0o755)
    found = run_checks([{"command": command}], context(tmp_path))
    assert "can't be started" in found
    assert why in found
    assert "\n" not in found


def test_missing_folder_is_one_line(tmp_path):
    assert "can't be started" in run_checks([{"command": ["true"]}], context(tmp_path / "gone"))


def test_command_does_not_get_the_passphrase(tmp_path, monkeypatch):
    for key in ("PULUMI_CONFIG_PASSPHRASE", "FLOTILLA_PROMETHEUS_TOKEN"):
        monkeypatch.setenv(key, TOKEN)
    assert run_checks([script(tmp_path, "env > seen")], context(tmp_path)) == ""
    assert TOKEN not in (tmp_path / "seen").read_text()


def test_command_that_takes_too_long_is_killed_with_its_child_processes(tmp_path):
    check = script(tmp_path, "sleep 600 & echo $! > child\nwait")
    found = run_checks([{**check, "timeoutSeconds": 1}], context(tmp_path))
    assert found == "command ./check.sh: did not end within 1 s"
    assert is_gone(int((tmp_path / "child").read_text()))


def test_command_is_killed_when_the_run_is_asked_to_end(tmp_path):
    os.mkfifo(tmp_path / "begun")
    found = []
    running = threading.Thread(
        target=lambda: found.append(
            run_checks([script(tmp_path, "sleep 600 & echo $! > begun\nwait")], context(tmp_path))
        )
    )
    running.start()
    child = int((tmp_path / "begun").read_text())  # opening it waits for the command
    waiting.ask_to_end()
    running.join(30)
    waiting.begin()
    assert found == ["command ./check.sh: was stopped, because the run ends"]
    assert is_gone(child)


def test_endless_output_is_not_stored(tmp_path):
    assert "more than 1 MiB" in run_checks([{"command": ["yes"]}], context(tmp_path))


def is_gone(pid):
    """Wait until the kernel has removed a killed process, which is no child of this process."""
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        try:
            state = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]  # noqa: SIM115, PTH123
        except OSError:
            return True
        if state in "ZX":
            return True
        waiting.pause(0.02)
    return False


# -- Prometheus -------------------------------------------------------------------------------------


@contextmanager
def prometheus(*answers, tls=None):
    """Answer queries with these responses in order: a status, a body, and headers."""
    asked, left = [], list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            status, body, *headers = left.pop(0) if len(left) > 1 else left[0]
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for key, value in headers[0].items() if headers else ():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def vector(*values):
    samples = [{"metric": {"job": f"j{n}"}, "value": [1.0, value]} for n, value in enumerate(values)]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": samples}}


def scalar(value):
    return 200, {"status": "success", "data": {"resultType": "scalar", "result": [1.0, value]}}


def ask(tmp_path, answer, query="up"):
    with prometheus(answer) as (address, _):
        return run_checks([{"prometheus": address, "query": query}], context(tmp_path)).partition(": ")[2]


@pytest.mark.parametrize(
    ("answer", "query"),
    [
        (vector("1", "0.5", "+Inf"), "up"),
        (scalar("1"), "scalar(up)"),
        (vector("1"), "errors < bool 1"),
        (vector("0"), 'sum(rate(http_requests_total{code=~"5..|<"}[5m])) < 1'),
        (vector("0"), "(a < 1) and on(job) (b < 1)"),
    ],
)
def test_prometheus_result_that_passes(tmp_path, answer, query):
    assert ask(tmp_path, answer, query) == ""


@pytest.mark.parametrize(
    ("answer", "query", "why"),
    [
        (vector(), "up == 1", "the result is empty"),
        (vector("1", "0"), "up", "the value of {job=j1} is 0"),
        (vector("0"), "errors < bool 1", "is 0"),
        (vector("0"), "count by (job) (errors < 1)", "is 0"),
        (vector("0"), 'up{path!="<"} # < 1', "is 0"),
        (vector("NaN"), "a / b", "is no number"),
        (scalar("0"), "scalar(up)", "is 0"),
        ((200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "up[5m]", "gives a matrix"),
        ((400, {"status": "error", "errorType": "bad_data", "error": "parse error"}), "up(", "HTTP 400: bad_data: par"),
        ((200, {"status": "error", "errorType": "timeout"}), "up", "did not answer the query: timeout"),
        ((401, b"who are you"), "up", "refused the query with HTTP 401"),
        ((200, b"<html><title>Sign in</title></html>"), "up", "an HTML page, 'Sign in'"),
        ((200, b"hello"), "up", "a text that is not JSON"),
        ((200, b""), "up", "answered with nothing"),
        ((200, {"status": "success"}), "up", "JSON without data"),
        ((200, {"status": "success", "data": {"resultType": "vector"}}), "up", "JSON without a result"),
        ((200, {"status": "success", "data": {"resultType": "vector", "result": [7]}}), "up", "no object"),
        (
            (200, {"status": "success", "data": {"resultType": "vector", "result": [{"histogram": [1, {}]}]}}),
            "up",
            "no",
        ),
        ((302, b"", {"Location": "https://login.example/?session=7"}), "up", "a redirect to https://login.example/"),
    ],
)
def test_prometheus_result_that_fails_has_the_reason(tmp_path, answer, query, why):
    found = ask(tmp_path, answer, query)
    assert why in found
    assert "session" not in found


def test_query_and_token_are_sent_and_the_token_is_not_quoted(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOTILLA_PROMETHEUS_TOKEN", TOKEN)
    refusal = (403, {"status": "error", "error": f"{TOKEN} may not"})
    with prometheus(vector("1"), refusal) as (address, asked):
        check = {"prometheus": f"{address}/under/", "query": 'up{job="a b"}'}
        assert run_checks([check], context(tmp_path)) == ""
        assert TOKEN not in run_checks([check], context(tmp_path))
    path, headers = asked[0]
    assert path == "/under/api/v1/query?query=up%7Bjob%3D%22a+b%22%7D"
    assert headers["authorization"] == f"Bearer {TOKEN}"


def test_token_that_is_invalid_in_a_header_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("FLOTILLA_PROMETHEUS_TOKEN", "two\nlines")
    assert "FLOTILLA_PROMETHEUS_TOKEN contains a line break" in ask(tmp_path, vector("1"))


def test_refused_connection_and_unknown_address_are_one_line(tmp_path):
    with prometheus(vector()) as (address, _):
        pass
    for where, why in (
        (address, "nothing answers at its address"),
        ("http://prometheus.invalid:9090", "its name can't be resolved"),
        ("ftp://a", "an http:// or https:// address"),
    ):
        found = run_checks([{"prometheus": where, "query": "up"}], context(tmp_path))
        assert why in found
        assert "\n" not in found


def test_password_in_the_address_is_not_quoted(tmp_path):
    found = run_checks([{"prometheus": "http://me:hunter2@127.0.0.1:1", "query": "up"}], context(tmp_path))
    assert "hunter2" not in found


def test_https_certificate_is_verified(tmp_path, monkeypatch):
    authority = Authority()
    (tmp_path / "ca.pem").write_bytes(authority.pem)
    (tmp_path / "serving.pem").write_bytes(b"".join(authority.issue("127.0.0.1", server=True)))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "serving.pem")
    with prometheus(vector("1"), tls=tls) as (address, asked):
        check = {"prometheus": address, "query": "up", "timeoutSeconds": 10}
        assert "certificate can't be verified" in run_checks([check], context(tmp_path))
        assert not asked
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        assert run_checks([check], context(tmp_path)) == ""


def test_answer_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("flotilla.karmada.waves.prometheus._LARGEST_ANSWER", 100)
    assert "ask for fewer series" in ask(tmp_path, (200, b" " * 10_000))


def test_answer_that_takes_too_long_is_reported(tmp_path):
    release = threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self):
            release.wait(30)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    check = {"prometheus": f"http://127.0.0.1:{server.server_port}", "query": "up", "timeoutSeconds": 0.2}
    assert "it took too long" in run_checks([check], context(tmp_path))
    release.set()
    server.shutdown()
    server.server_close()


# -- conditions -------------------------------------------------------------------------------------


def reports(**statuses):
    return {name: AggregatedStatusItem(cluster_name=name, status=status) for name, status in statuses.items()}


def conditions(status):
    return {"conditions": [{"type": "Complete", "status": status, "reason": "Busy\nnow"}]}


def run_condition(tmp_path, found, **check):
    return run_checks([{"condition": "Complete", "of": "Job/training", **check}], context(tmp_path, statuses=found))


def test_condition_must_hold_in_each_cluster_of_the_wave_and_in_no_other(tmp_path):
    stored = {TRAINING: reports(member1=conditions("False"), member2=conditions("True"), member3=conditions("True"))}
    assert run_condition(tmp_path, stored) == ""
    late = {TRAINING: {**stored[TRAINING], **reports(member3=conditions("False"))}}
    assert run_condition(tmp_path, late) == (
        "condition Complete of Job/training: Job default/training in member3: condition Complete is False: Busy now"
    )
    assert run_condition(tmp_path, late, of="Job/other").endswith("the workload has no such object")
    assert "no report of the cluster yet" in run_condition(tmp_path, {TRAINING: reports(member2=conditions("True"))})


def test_condition_can_be_required_to_be_false(tmp_path):
    found = {TRAINING: reports(member2=conditions("False"), member3=conditions("False"))}
    assert run_condition(tmp_path, found, status="False") == ""


def test_first_failing_check_is_named(tmp_path):
    checks = [{"command": ["true"]}, {"command": ["false"]}, {"command": ["no-such-program"]}]
    assert run_checks(checks, context(tmp_path)).startswith("command false: exit code 1")
    assert run_checks([], context(tmp_path)) == ""
