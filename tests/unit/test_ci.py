"""The CI templates: what they promise of secrets, pins and rights, and the program that writes comments and issues."""

import re

import pytest
import yaml

from ci import forge
from tests.conftest import REPOSITORY

WORKFLOWS = sorted((REPOSITORY / "ci" / "github").glob("*.yml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_take_few_rights(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]["contents"] == "read"
        assert "concurrency" in job
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if "uses" in step:
                assert re.search(r"@[0-9a-f]{40}$", step["uses"]), step["uses"]
            assert "secrets." not in step.get("run", ""), "secrets go through the environment, never through argv"


class Recorder:
    """A forge in memory."""

    def __init__(self, comments=(), issues=()):
        self.held = list(comments)
        self.open = list(issues)
        self.done = []

    def comments(self):
        return self.held

    def issues(self):
        return self.open

    def add_comment(self, body):
        self.done.append(("add", body))

    def change_comment(self, entry, body):
        self.done.append(("change", entry["id"], body))

    def open_issue(self, title, body):
        self.done.append(("open", title, body))

    def change_issue(self, entry, body):
        self.done.append(("change", entry["id"], body))

    def close_issue(self, entry, why):
        self.done.append(("close", entry["id"], why))


def test_a_stack_has_one_comment():
    first = Recorder()
    forge.comment(first, "dev", 0, "the plan", "")
    ((verb, body),) = first.done
    assert verb == "add"
    assert "can be applied" in body
    again = Recorder([{"id": 1, "body": "of a person"}, {"id": 2, "body": body}])
    forge.comment(again, "dev", 4, "the plan", "error: policy images-pinned: ...")
    ((verb, number, changed),) = again.done
    assert (verb, number) == ("change", 2)
    assert "refused by policy" in changed
    assert "images-pinned" in changed
    other = Recorder([{"id": 2, "body": body}])
    forge.comment(other, "production", 0, "the plan", "")
    assert other.done[0][0] == "add", "each stack has its own"


def test_nothing_is_written_where_nothing_has_changed():
    first = Recorder()
    forge.comment(first, "dev", 0, "the plan", "")
    again = Recorder([{"id": 1, "body": first.done[0][1]}])
    forge.comment(again, "dev", 0, "the plan", "")
    assert again.done == []


def test_a_plan_stays_in_its_fence_and_within_the_limit():
    found = Recorder()
    forge.comment(found, "dev", 0, "```\n" + "x" * 100_000, "")
    body = found.done[0][1]
    assert len(body) < 65_536
    assert body.count("````") == 2
    assert "the job's log has it all" in body


@pytest.mark.parametrize(
    ("outcome", "issues", "verbs"),
    [
        (3, [], ["open"]),
        (3, [{"id": 1, "body": "<!-- flotilla drift dev -->\n\nolder"}], ["change"]),
        (3, [{"id": 1, "body": "<!-- flotilla drift production -->"}], ["open"]),
        (0, [{"id": 1, "body": "<!-- flotilla drift dev -->"}], ["close"]),
        (0, [{"id": 1, "body": None}], []),
        (1, [{"id": 1, "body": "<!-- flotilla drift dev -->"}], []),  # could not tell: it may still be there
    ],
)
def test_a_stack_has_one_issue_while_there_is_drift(outcome, issues, verbs):
    found = Recorder(issues=issues)
    forge.issue(found, "dev", outcome, "the report")
    assert [entry[0] for entry in found.done] == verbs


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "neither GITHUB_ACTIONS nor GITLAB_CI"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_API_URL": "https://a"}, "GITHUB_TOKEN, GITHUB_REPOSITORY is not set"),
    ],
)
def test_what_is_missing_is_told_and_nothing_is_written(environment, words):
    with pytest.raises(SystemExit) as told:
        forge.find_forge(environment)
    assert words in str(told.value)
