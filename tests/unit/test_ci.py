"""The CI templates: secrets, pinned actions and rights, and the program that writes comments and issues."""

import re
import subprocess

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


def on_pull_requests():
    """Return every job that a pull request starts, by its workflow's name."""
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text())
        if "pull_request" in (workflow.get("on") or workflow[True]):  # YAML 1.1 reads `on` as true
            yield from ((path.name, job) for job in workflow["jobs"].values())


def test_default_job_of_a_pull_request_has_no_secret_and_no_write_permission():
    """The job runs the program, Makefile and workflow steps of the pull request."""
    jobs = [job for name, job in on_pull_requests() if name == "fleet-check.yml"]
    assert jobs
    for job in jobs:
        assert job["permissions"] == {"contents": "read"}
        assert "environment" not in job
        assert "secrets." not in str(job)
        assert "token" not in str(job).lower()


def test_job_with_secrets_waits_for_reviewers_and_runs_the_code_of_the_base_branch():
    with_secrets = [(name, job) for name, job in on_pull_requests() if "secrets." in str(job)]
    assert [name for name, _ in with_secrets] == ["fleet-preview.yml"]
    for _, job in with_secrets:
        assert str(job["environment"]).endswith("-preview")
        checkouts = [step["with"] for step in job["steps"] if "checkout" in step.get("uses", "")]
        assert [(c.get("path", "."), c["ref"].split(".")[-2]) for c in checkouts] == [
            (".", "base"),
            (".proposal", "head"),
        ]
        assert not [step for step in job["steps"] if ".proposal" in step.get("run", "")], "nothing of it is run"
    workflows = {path.name: path.read_text() for path in WORKFLOWS}
    assert "pull_request_target" not in str(workflows)
    assert all("Trust:" in text for text in workflows.values())


def test_gitlab_jobs_of_a_merge_request_follow_the_same_rules():
    text = (REPOSITORY / "ci" / "gitlab" / "fleet.gitlab-ci.yml").read_text()
    jobs = yaml.safe_load(text)
    assert "Trust:" in text
    assert "environment" not in jobs["check"]
    assert jobs["preview"]["environment"]["name"] == "$STACK-preview"
    assert jobs["preview"]["rules"][0]["when"] == "manual"
    commands = jobs["preview"]["before_script"]
    assert commands.index("cd ../base") < commands.index("make install"), "the target branch's Makefile"


def test_check_refuses_to_run_code_of_a_pull_request_with_secrets():
    command = ["bash", str(REPOSITORY / "ci" / "steps" / "check.sh")]
    environment = {"PATH": "/usr/bin:/bin", "STACK": "dev", "PULUMI_CONFIG_PASSPHRASE": "x"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing was run" in done.stderr


class Recorder:
    """A code host (such as GitHub) in memory."""

    def __init__(self, comments=(), issues=()):
        self.stored = list(comments)
        self.open = list(issues)
        self.done = []

    def is_mine(self, entry):
        return entry.get("author", "us") == "us"

    def comments(self):
        return self.stored

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


def test_nothing_is_written_without_changes():
    first = Recorder()
    forge.comment(first, "dev", 0, "the plan", "")
    again = Recorder([{"id": 1, "body": first.done[0][1]}])
    forge.comment(again, "dev", 0, "the plan", "")
    assert again.done == []


def test_plan_stays_in_its_code_fence_and_within_the_size_limit():
    found = Recorder()
    forge.comment(found, "dev", 0, "```\n" + "x" * 100_000, "")
    body = found.done[0][1]
    assert len(body) < 65_536
    assert body.count("````") == 2
    assert "the job's log has the whole text" in body


@pytest.mark.parametrize(
    ("outcome", "issues", "verbs"),
    [
        (3, [], ["open"]),
        (3, [{"id": 1, "body": "<!-- flotilla drift dev -->\n\nolder"}], ["change"]),
        (3, [{"id": 1, "body": "<!-- flotilla drift production -->"}], ["open"]),
        (0, [{"id": 1, "body": "<!-- flotilla drift dev -->"}], ["close"]),
        (0, [{"id": 1, "body": None}], []),
        (1, [{"id": 1, "body": "<!-- flotilla drift dev -->"}], []),  # unknown: the drift may still exist
    ],
)
def test_stack_has_one_issue_while_there_is_drift(outcome, issues, verbs):
    found = Recorder(issues=issues)
    forge.issue(found, "dev", outcome, "the report")
    assert [entry[0] for entry in found.done] == verbs


FOREIGN = [
    {"id": 1, "body": "<!-- flotilla drift dev -->\n\nby somebody", "author": "somebody"},
    {"id": 2, "body": "<!-- flotilla drift production -->\n\n`x` <!-- flotilla drift dev -->"},
    {"id": 3, "body": "<!-- flotilla drift dev-eu -->"},
    {"id": 4, "body": "see <!-- flotilla drift dev -->"},
]


@pytest.mark.parametrize("entry", FOREIGN, ids=["another author", "another stack", "a longer name", "a quotation"])
def test_clean_run_closes_only_the_issue_that_its_job_wrote_for_its_stack(entry):
    """Regression: a manager `<!-- flotilla drift dev -->` in production's report closed production's issue."""
    found = Recorder(issues=[entry])
    forge.issue(found, "dev", 0, "")
    assert found.done == []
    forge.issue(found, "dev", 3, "the report")
    assert [verb for verb, *_ in found.done] == ["open"]


def test_comment_of_somebody_else_is_not_overwritten():
    found = Recorder([{"id": 1, "body": "<!-- flotilla preview dev -->", "author": "somebody"}])
    forge.comment(found, "dev", 0, "the plan", "")
    assert found.done[0][0] == "add"


@pytest.mark.parametrize("stack", ["dev --> @team", "a/b", "", "dev\n", "x" * 101])
def test_name_that_would_break_a_marker_is_refused(stack):
    found = Recorder()
    for call in (lambda: forge.comment(found, stack, 0, "", ""), lambda: forge.issue(found, stack, 3, "")):
        with pytest.raises(SystemExit, match="not a stack name"):
            call()
    assert found.done == []


def test_author_is_the_user_of_the_token(monkeypatch):
    environment = {"GITHUB_TOKEN": "t", "GITHUB_API_URL": "https://a", "GITHUB_REPOSITORY": "us/fleet"}
    ours, theirs = {"user": {"login": "github-actions[bot]"}}, {"user": {"login": "github-actions"}}
    github = forge.GitHub(environment)
    assert github.is_mine(ours)
    assert not github.is_mine(theirs)
    assert forge.GitHub({**environment, "FLOTILLA_FORGE_USER": "github-actions"}).is_mine(theirs)
    gitlab = forge.GitLab({"CI_API_V4_URL": "https://a", "GITLAB_TOKEN": "t", "CI_PROJECT_ID": "1"})
    monkeypatch.setattr(gitlab._api, "call", lambda *asked: {"id": 7} if asked == ("GET", "/user") else None)
    assert gitlab.is_mine({"author": {"id": 7}})
    assert not gitlab.is_mine({"author": {"id": 8}})


def test_cut_text_closes_its_spans_and_rows():
    row = "| " + " | ".join(["`cell`"] * 7) + " |"
    found = Recorder()
    forge.issue(found, "dev", 3, "\n".join([row] * 2000))
    body = found.done[0][2]
    assert len(body) < 65_536
    assert {line for line in body.splitlines() if "cell" in line} == {row}
    assert body.endswith("the job's log has the whole text")


HOSTILE = "x`` @team <!-- flotilla drift production --> | [a](http://b) ![c](http://d) <img src=x>\n\n## new\x1b[31m"


def test_text_of_a_plan_is_never_parsed():
    found = Recorder()
    forge.comment(found, "dev", 0, "```\n</details> @team <!-- flotilla preview production -->\n````", HOSTILE)
    body = found.done[0][1]
    assert body.startswith("<!-- flotilla preview dev -->")
    opened, fences = "", 0
    for line in body.splitlines():
        if line.startswith("```") and not opened:
            opened, fences = line.removesuffix("text"), fences + 1
        elif opened and line == opened:
            opened = ""
        elif not opened:
            assert "@team" not in line
            assert "<!-- flotilla preview production" not in line
    assert fences == 2
    assert not opened


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "neither GITHUB_ACTIONS nor GITLAB_CI"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_API_URL": "https://a"}, "GITHUB_TOKEN, GITHUB_REPOSITORY is not set"),
    ],
)
def test_missing_input_is_reported_and_nothing_is_written(environment, words):
    with pytest.raises(SystemExit) as reported:
        forge.find_forge(environment)
    assert words in str(reported.value)


@pytest.mark.parametrize(("plan", "words"), [("", ""), ("abc", " --plan abc")])
def test_merge_confirms_the_plan_digest_that_a_person_gives(tmp_path, repository, plan, words):
    """Regression: a refused plan could be applied only on a machine with production's passphrase."""
    program = tmp_path / "flotilla"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "STACK": "dev", "PLAN": plan}
    step = ["bash", str(repository / "ci" / "steps" / "up.sh")]
    done = subprocess.run(step, env=variables, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == f"up --stack dev --yes{words}\n"
