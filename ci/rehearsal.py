"""Runs the real steps of the CI templates on the sandbox, with a fake forge that keeps comments and issues.

`make ci-rehearsal` runs this against the sandbox's stack. It prints the texts of the pull request's comment and of the
issue, and fails if a step does not do what the templates promise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from flotilla.cli.exit_codes import ExitCode
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef

HERE = Path(__file__).resolve().parent
TOKEN = "rehearsal-token"  # noqa: S105 - the token of the fake forge
_TEMPLATE = ObjectRef("apps/v1", "Deployment", "nginx", "default")


class FakeForge:
    """The part of GitHub's REST API that the steps use, on the loopback address."""

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.refused = 0

    def answer(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """Carry out a request and return the answer."""
        parts = path.partition("?")[0].strip("/").split("/")[3:]
        match method, parts:
            case "GET", ["issues", "7", "comments"]:
                return self.comments
            case "POST", ["issues", "7", "comments"]:
                return self._add(self.comments, body)
            case "PATCH", ["issues", "comments", number]:
                return self._change(self.comments, number, body)
            case "GET", ["issues"]:
                return [entry for entry in self.issues if entry["state"] == "open"]
            case "POST", ["issues"]:
                return self._add(self.issues, {**body, "state": "open"})
            case "POST", ["issues", _, "comments"]:
                return {}
            case "PATCH", ["issues", number]:
                return self._change(self.issues, number, body)
        raise LookupError(f"{method} {path}")

    def _add(self, entries: list[dict[str, Any]], body: dict[str, Any]) -> dict[str, Any]:
        entry = {
            "id": len(entries) + 1,
            "number": len(entries) + 1,
            "changes": 0,
            "user": {"login": "github-actions[bot]"},
            **body,
        }
        entries.append(entry)
        return entry

    def _change(self, entries: list[dict[str, Any]], number: str, body: dict[str, Any]) -> dict[str, Any]:
        entry = next(entry for entry in entries if str(entry["id"]) == number)
        entry.update(body, changes=entry["changes"] + 1)
        return entry

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on a free port of the loopback address; yield the URL."""
        forge = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else {}
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    forge.refused += 1
                    self.send_error(401)
                    return
                answer = json.dumps(forge.answer(self.command, self.path, body)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = _handle  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


class Rehearsal:
    """Runs steps for one project, one stack and one forge."""

    def __init__(self, project: Path, stack: str, forge: FakeForge, url: str, event: Path) -> None:
        self.project = project
        self.forge = forge
        self.log = ""
        self._environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "STACK": stack,
            "FLOTILLA_ENGINE": "embedded",
            "GITHUB_ACTIONS": "true",
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORY": "us/fleet",
            "GITHUB_EVENT_PATH": str(event),
        }

    def step(self, name: str, *, expect: int = 0) -> None:
        """Run a step as a CI job does, in the project's folder."""
        done = subprocess.run(
            ["bash", str(HERE / "steps" / f"{name}.sh")],
            cwd=self.project,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.log += done.stdout + done.stderr
        if done.returncode != expect:
            sys.exit(f"{name} ended with {done.returncode}, not {expect}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        print(f"  {name}: exit {done.returncode}, as promised")


def run_all(project: Path, stack: str) -> FakeForge:
    """Run the steps of a pull request, of a merge, and of a day with drift; return the forge with its entries."""
    forge = FakeForge()
    with tempfile.TemporaryDirectory() as folder, forge.served() as url:
        event = Path(folder) / "event.json"
        event.write_text(json.dumps({"pull_request": {"number": 7}}))
        job = Rehearsal(project, stack, forge, url, event)
        job.step("check")
        job.step("preview")
        _require(len(forge.comments) == 1 and "joins" in forge.comments[0]["body"], "the plan is a comment")
        job.step("up")
        job.step("preview")
        _require(len(forge.comments) == 1 and forge.comments[0]["changes"] == 1, "the same comment, updated")
        job.step("drift")
        _require(not forge.issues, "a clean fleet opens no issue")
        _scale(project, 3)
        job.step("drift", expect=ExitCode.DRIFT)
        job.step("drift", expect=ExitCode.DRIFT)
        _require(len(forge.issues) == 1 and "spec.replicas" in forge.issues[0]["body"], "drift is one issue")
        _scale(project, 2)
        job.step("drift")
        _require(forge.issues[0]["state"] == "closed", "the issue is closed when the fleet is clean again")
        _require(TOKEN not in job.log and not forge.refused, "the token is in no log")
    return forge


def _require(condition: object, what: str) -> None:
    if not condition:
        sys.exit(f"this should be true, but is not: {what}")
    print(f"  {what}")


def _scale(project: Path, replicas: int) -> None:
    """Change the template in the control plane, outside of the stack."""
    file = project / ".flotilla" / "sandbox" / "kubeconfigs" / "karmada.yaml"
    karmada = Connection(kubeconfigs.select(kubeconfigs.load(file.read_text())), name="karmada")
    karmada.patch(_TEMPLATE, {"spec": {"replicas": replicas}}, query={"fieldManager": "somebody"})


if __name__ == "__main__":
    result = run_all(Path.cwd(), "sandbox")
    print("\n" + result.comments[0]["body"] + "\n\n" + result.issues[0]["body"])
