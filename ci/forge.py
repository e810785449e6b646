"""Write a plan as a comment on a pull request, and keep one issue for a stack's drift: on GitHub and on GitLab.

    forge.py comment --stack NAME --outcome CODE --plan FILE --notes FILE
    forge.py issue   --stack NAME --outcome CODE --report FILE

The forge's address and the token come from variables that the CI system sets; no argument is secret. The text of a
comment or an issue starts with a mark, by which this program finds it again and updates it. Only texts of the token's
own user count, because anybody can write the same mark into a comment. On GitHub that user is `github-actions[bot]`;
with another token, name its user in FLOTILLA_FORGE_USER.

Plans and reports contain texts from clusters and from the pull request, so they are put into code spans and fenced
blocks.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import urllib3

from flotilla.cli.exit_codes import ExitCode
from flotilla.stack.stack_names import is_stack_name
from flotilla.untrusted import fenced, one_line, printable

_LONGEST = 60_000
_GITHUB_USER = "github-actions[bot]"
_PER_PAGE = 100
_HTTP_ERROR = 400

Entry = dict[str, Any]


class Forge(Protocol):
    """The requests that both systems support. An entry is a comment or an issue; it has `id` and `body`."""

    def is_mine(self, entry: Entry) -> bool:
        """Return whether the token's own user wrote an entry."""
        ...

    def comments(self) -> list[Entry]:
        """Return the comments of the pull request."""
        ...

    def add_comment(self, body: str) -> None:
        """Write a comment."""
        ...

    def change_comment(self, entry: Entry, body: str) -> None:
        """Replace the text of a comment."""
        ...

    def issues(self) -> list[Entry]:
        """Return the open issues with the label `drift`."""
        ...

    def open_issue(self, title: str, body: str) -> None:
        """Open an issue."""
        ...

    def change_issue(self, entry: Entry, body: str) -> None:
        """Replace the text of an issue."""
        ...

    def close_issue(self, entry: Entry, why: str) -> None:
        """Close an issue with a last comment."""
        ...


class Api:
    """A forge's REST API."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url.rstrip("/")
        self._headers = {**headers, "Content-Type": "application/json", "User-Agent": "flotilla-ci"}
        self._pool = urllib3.PoolManager(retries=urllib3.Retry(3, backoff_factor=0.5, status_forcelist=(502, 503, 504)))

    def call(self, method: str, path: str, body: Entry | None = None) -> Any:
        """Send one request. If it is refused, the program ends with one line, which never contains the token."""
        response = self._pool.request(
            method,
            self._url + path,
            headers=self._headers,
            body=json.dumps(body).encode() if body is not None else None,
            timeout=30.0,
        )
        if response.status >= _HTTP_ERROR:
            said = one_line(response.data.decode("utf-8", "replace")[:200])
            sys.exit(f"error: {method} {path}: HTTP {response.status}: {said}")
        return json.loads(response.data) if response.data else None

    def pages(self, path: str) -> list[Entry]:
        """Return all entries of a listing."""
        found: list[Entry] = []
        mark = "&" if "?" in path else "?"
        for page in range(1, 1000):
            entries = self.call("GET", f"{path}{mark}per_page={_PER_PAGE}&page={page}")
            found += entries
            if len(entries) < _PER_PAGE:
                break
        return found


class GitHub(Forge):
    """A pull request and the issues of a repository on GitHub."""

    def __init__(self, environment: dict[str, str]) -> None:
        token = environment["GITHUB_TOKEN"]
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        self._api = Api(environment["GITHUB_API_URL"], headers)
        self._repository = f"/repos/{environment['GITHUB_REPOSITORY']}"
        self._event = environment.get("GITHUB_EVENT_PATH", "")
        self._user = environment.get("FLOTILLA_FORGE_USER") or _GITHUB_USER

    def is_mine(self, entry: Entry) -> bool:
        return bool((entry.get("user") or {}).get("login") == self._user)

    def _pull_request(self) -> int:
        return int(json.loads(Path(self._event).read_text())["pull_request"]["number"])

    def comments(self) -> list[Entry]:
        return self._api.pages(f"{self._repository}/issues/{self._pull_request()}/comments")

    def add_comment(self, body: str) -> None:
        self._api.call("POST", f"{self._repository}/issues/{self._pull_request()}/comments", {"body": body})

    def change_comment(self, entry: Entry, body: str) -> None:
        self._api.call("PATCH", f"{self._repository}/issues/comments/{entry['id']}", {"body": body})

    def issues(self) -> list[Entry]:
        return self._api.pages(f"{self._repository}/issues?state=open&labels=drift")

    def open_issue(self, title: str, body: str) -> None:
        self._api.call("POST", f"{self._repository}/issues", {"title": title, "body": body, "labels": ["drift"]})

    def change_issue(self, entry: Entry, body: str) -> None:
        self._api.call("PATCH", f"{self._repository}/issues/{entry['number']}", {"body": body})

    def close_issue(self, entry: Entry, why: str) -> None:
        path = f"{self._repository}/issues/{entry['number']}"
        self._api.call("POST", f"{path}/comments", {"body": why})
        self._api.call("PATCH", path, {"state": "closed", "state_reason": "completed"})


class GitLab(Forge):
    """A merge request and the issues of a project on GitLab."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._api = Api(environment["CI_API_V4_URL"], {"PRIVATE-TOKEN": environment["GITLAB_TOKEN"]})
        self._project = f"/projects/{quote(environment['CI_PROJECT_ID'], safe='')}"
        self._notes = f"{self._project}/merge_requests/{environment.get('CI_MERGE_REQUEST_IID', '')}/notes"
        self._user: Any = None

    def is_mine(self, entry: Entry) -> bool:
        if self._user is None:
            self._user = self._api.call("GET", "/user")["id"]
        return bool((entry.get("author") or {}).get("id") == self._user)

    def comments(self) -> list[Entry]:
        return self._api.pages(self._notes)

    def add_comment(self, body: str) -> None:
        self._api.call("POST", self._notes, {"body": body})

    def change_comment(self, entry: Entry, body: str) -> None:
        self._api.call("PUT", f"{self._notes}/{entry['id']}", {"body": body})

    def issues(self) -> list[Entry]:
        found = self._api.pages(f"{self._project}/issues?state=opened&labels=drift")
        return [{**entry, "body": entry.get("description") or ""} for entry in found]

    def open_issue(self, title: str, body: str) -> None:
        self._api.call("POST", f"{self._project}/issues", {"title": title, "description": body, "labels": "drift"})

    def change_issue(self, entry: Entry, body: str) -> None:
        self._api.call("PUT", f"{self._project}/issues/{entry['iid']}", {"description": body})

    def close_issue(self, entry: Entry, why: str) -> None:
        path = f"{self._project}/issues/{entry['iid']}"
        self._api.call("POST", f"{path}/notes", {"body": why})
        self._api.call("PUT", path, {"state_event": "close"})


def comment(forge: Forge, stack: str, outcome: int, plan: str, notes: str) -> None:
    """Write the result of a preview into the comment of its stack."""
    mark = _mark("preview", stack)
    outcome_text = {ExitCode.DONE: "can be applied", ExitCode.REFUSED: "**refused by policy**"}.get(
        outcome, f"**failed** (exit {outcome})"
    )
    parts = [
        mark,
        f"### Fleet preview: `{stack}` {outcome_text}",
        _block("plan", plan),
        _block("policies and notes", notes),
    ]
    body = "\n\n".join(part for part in parts if part)
    _write(_mine(forge, forge.comments(), mark), body, forge.add_comment, forge.change_comment)


def issue(forge: Forge, stack: str, outcome: int, report: str) -> None:
    """Update the issue of a stack: open it if there is drift, close it if there is none, and else leave it as it is."""
    mark = _mark("drift", stack)
    if outcome == ExitCode.DRIFT:
        title = f"Drift in stack {stack}"
        _write(
            _mine(forge, forge.issues(), mark),
            f"{mark}\n\n{_cut(report, _LONGEST)}",
            lambda body: forge.open_issue(title, body),
            forge.change_issue,
        )
    elif outcome == ExitCode.DONE:
        for entry in _mine(forge, forge.issues(), mark):
            forge.close_issue(entry, "The fleet is as declared again.")


def _mark(kind: str, stack: str) -> str:
    """Return the mark with which a comment or an issue of a stack starts; other stacks have other marks."""
    if not is_stack_name(stack):  # a valid name can't end the HTML comment of the mark
        sys.exit(
            f"error: {one_line(stack)!r} is not a stack name (letters, digits, '_', '.', '-'); nothing was written"
        )
    return f"<!-- flotilla {kind} {stack} -->"


def _mine(forge: Forge, entries: list[Entry], mark: str) -> list[Entry]:
    return [entry for entry in entries if (entry.get("body") or "").startswith(mark) and forge.is_mine(entry)]


def _write(
    mine: list[Entry],
    body: str,
    add: Callable[[str], None],
    change: Callable[[Entry, str], None],
) -> None:
    if not mine:
        add(body)
    elif mine[0]["body"] != body:
        change(mine[0], body)


def _block(title: str, text: str) -> str:
    """Return a text in a part that can be folded, in a fence that is longer than any fence in the text."""
    text = text.strip()
    if not text:
        return ""
    return f"<details open><summary>{title}</summary>\n\n{fenced(_cut(text, _LONGEST // 2))}\n\n</details>"


def _cut(text: str, longest: int) -> str:
    """Cut a text between two of its lines, so that no code span and no row of a table is left open."""
    if len(text) <= longest:
        return text
    lines = text[:longest].rpartition("\n")[0] or text[:longest].replace("`", "'")
    return lines + "\n\n... cut here; the job's log has the whole text"


def find_forge(environment: dict[str, str]) -> Forge:
    """Return the forge that this job runs on."""
    for sign, needed, kind in (
        ("GITHUB_ACTIONS", ("GITHUB_TOKEN", "GITHUB_API_URL", "GITHUB_REPOSITORY"), GitHub),
        ("GITLAB_CI", ("GITLAB_TOKEN", "CI_API_V4_URL", "CI_PROJECT_ID"), GitLab),
    ):
        if environment.get(sign):
            missing = [name for name in needed if not environment.get(name)]
            if missing:
                sys.exit(f"error: {', '.join(missing)} is not set; nothing was written")
            return kind(environment)
    sys.exit("error: neither GITHUB_ACTIONS nor GITLAB_CI is set; nothing was written")


def main(arguments: list[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("comment", "issue"))
    parser.add_argument("--stack", required=True)
    parser.add_argument("--outcome", type=int, required=True, help="the exit code of the command")
    parser.add_argument("--plan", type=Path)
    parser.add_argument("--notes", type=Path)
    parser.add_argument("--report", type=Path)
    options = parser.parse_args(arguments)
    forge = find_forge(dict(os.environ))
    if options.what == "comment":
        plan, notes = (printable(file.read_text(errors="replace")) for file in (options.plan, options.notes))
        comment(forge, options.stack, options.outcome, plan, notes)
    else:
        issue(forge, options.stack, options.outcome, printable(options.report.read_text(errors="replace")))


if __name__ == "__main__":
    main()
