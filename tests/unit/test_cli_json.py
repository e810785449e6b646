"""Every exit with --json prints exactly one document of the documented form, and no input ends in a traceback."""

import json
import os
import subprocess
import sys

import pytest
import yaml

from flotilla.cli import main as command
from flotilla.cli.ending import Kind
from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import build_parser, main
from flotilla.cli.output import Output
from flotilla.errors import ClusterError
from flotilla.plan.steps import Op, Phase, Result, Step, StepEvent
from tests.conftest import REPOSITORY


@pytest.fixture
def stack(project, sections, monkeypatch):
    """A project with a stack of two members that don't answer; `write(text)` replaces the stack file."""
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    monkeypatch.setenv("FLOTILLA_ENGINE", "embedded")
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    (project / "__main__.py").write_text("")
    (project / "stacks").mkdir()
    file = project / "stacks" / "Pulumi.dev.yaml"

    def write(content):
        if isinstance(content, bytes):
            file.write_bytes(content)
        elif isinstance(content, str):
            file.write_text(content)
        else:
            config = {f"flotilla:{key}": value for key, value in content.items()}
            file.write_text(yaml.safe_dump({"config": config}))

    write(sections)
    return write


@pytest.fixture
def run(project, capsys):
    """Run a verb with --json; return its exit code, its one document and its messages on standard error."""

    def do(*words, at=project):
        code = main([words[0], "-C", str(at), "-s", "dev", "--json", *words[1:]])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, json.loads(out), err

    return do


def error_of(code, document):
    assert document["version"] == 1
    assert document["exitCode"] == code != 0
    assert set(document["error"]) >= {"kind", "message", "hint"}
    assert document["error"]["kind"] in list(Kind)
    return document["error"]


def test_problems_of_a_stack_file_are_listed_in_the_document(stack, sections, run):
    sections["workloads"][0]["replicas"] = "two"
    stack(sections)
    for verb in ("validate", "preview", "up", "refresh", "doctor", "explain", "env"):
        code, document, said = run(verb)
        if verb == "env":
            assert code == 0
            continue
        error = error_of(code, document)
        assert (code, error["kind"]) == (ExitCode.USAGE, "config")
        (problem,) = error["problems"]
        assert problem["path"] == "workloads[0].replicas"
        assert problem["value"] == '"two"'
        assert set(problem) == {"path", "rule", "consequence", "remedy", "value"}
        assert "workloads[0].replicas" in said


EVERY_VERB = (
    "preview", "up", "refresh", "destroy", "validate", "status", "clusters", "workloads", "drift", "policy", "doctor",
    "explain", "graph", "report", "events", ("get", "pods"), ("logs", "nginx"), ("kubeconfig", "-o", "-"), "env", "mcp",
    ("abandon", "member2"),
    ("release", "nginx"),
    ("simulate", "--each"),
)  # fmt: skip
NOT_A_STACK = {
    "no UTF-8": b"\xff\xfe\x00c",
    "a list": b"- 1\n",
    "config as a list": b"config: [1, 2]\n",
    "config as text": b"config: text\n",
    "broken": b"config: {a: [1\n",
    "empty": b"",
    "dates": b"config:\n  flotilla:members: 2026-01-01\n",
    "numbers": b"config:\n  flotilla:members: 7\n  flotilla:workloads: {a: b}\n  flotilla:controlPlane: [x]\n",
    "a key that is a mapping": b"config:\n  ? {a: b}\n  : c\n",
    "a tag": b"config: !!python/object/apply:os.system [ls]\n",
    "an endless alias": b"config: &a [*a]\n",
    "deep": b"config: " + b"[" * 3000,
    "control characters": b"config: \x07\n",
}


@pytest.mark.parametrize("content", NOT_A_STACK.values(), ids=NOT_A_STACK.keys())
@pytest.mark.parametrize("verb", ["validate", "preview", "destroy", "status", "drift", "explain"])
def test_any_stack_file_gives_one_document_and_no_traceback(stack, run, verb, content):
    stack(content)
    code, document, said = run(verb)
    if verb == "destroy" and code == 0:  # these verbs need only the state
        return
    error_of(code, document)
    assert said.startswith("error: ")


@pytest.mark.parametrize("verb", EVERY_VERB, ids=str)
@pytest.mark.parametrize("missing", ["stack", "project"])
def test_a_missing_stack_or_project_is_one_document_for_every_verb(stack, project, run, verb, missing, monkeypatch):
    words = verb if isinstance(verb, tuple) else (verb,)
    (project / ("Pulumi.yaml" if missing == "project" else "stacks/Pulumi.dev.yaml")).unlink()
    code, document, _ = run(*words)
    if code != 0:
        error_of(code, document)


@pytest.mark.parametrize("content", [b"", b"- 1\n", b"name: [\n", b"\xff\xfe", b"runtime: python\n"])
def test_invalid_project_file_is_one_document(stack, project, run, content):
    (project / "Pulumi.yaml").write_bytes(content)
    code, document, _ = run("preview")
    error_of(code, document)


def test_unreadable_files_are_one_line(stack, project, run):
    (project / "Pulumi.yaml").unlink()
    (project / "Pulumi.yaml").mkdir()
    code, document, said = run("preview")
    error = error_of(code, document)
    assert "Pulumi.yaml" in error["message"]
    assert "it is a folder" in said


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (("up", "--frobnicate"), "unrecognized arguments: --frobnicate"),
        (("nonsense",), "invalid choice: 'nonsense'"),
        ((), "unrecognized arguments: --json"),
        (("preview", "--engine", "bad"), "'bad' is not an engine"),
        (("preview", "-s", "../../etc/passwd"), "is not a stack name"),
        (("preview", "-s", ""), "is not a stack name"),
        (("preview", "-C", "/no/such/folder"), "there is no folder '/no/such/folder'"),
        (("preview", "-C", __file__), "there is no folder"),
        (("drift", "--timeout", "-1"), "seconds above zero"),
        (("drift", "--timeout", "nan"), "seconds above zero"),
        (("status", "--watch", "soon"), "seconds above zero"),
        (("drift", "--format", "sarif"), "exclude each other"),
        (("logs", "nginx", "-f"), "never ends"),
        (("mcp", "--http", "--port", "99999999"), "a whole number from 0 to 65535"),
        (("sandbox",), "required: VERB"),
        (("sandbox", "up", "--members", "-3"), "a whole number from 0 to 50"),
        (("kubeconfig",), "one of the arguments"),
    ],
)
def test_invalid_arguments_are_one_document(words, reported, capsys, monkeypatch):
    monkeypatch.delenv("FLOTILLA_STACK", raising=False)
    assert main([*words, "--json"]) == ExitCode.USAGE
    out, err = capsys.readouterr()
    error = error_of(2, json.loads(out))
    assert error["kind"] == "usage"
    assert reported in error["message"]
    assert reported in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("variable", "value", "reported"),
    [("FLOTILLA_ENGINE", "bad", "is not an engine"), ("FLOTILLA_STACK", "../x", "is not a stack name")],
)
def test_invalid_environment_variable_is_one_line_that_names_it(variable, value, reported, capsys, monkeypatch):
    monkeypatch.setenv(variable, value)
    assert main(["preview"]) == ExitCode.USAGE
    err = capsys.readouterr().err
    assert reported in err
    assert variable in err
    assert "Traceback" not in err
    assert main(["completion", "bash"]) == 0, "a verb that needs neither works"


def test_internal_error_is_one_line_and_its_traceback_needs_debug(stack, project, run, capsys, monkeypatch):
    def broken(_options):
        raise LookupError("hunter2")

    parser = build_parser()
    monkeypatch.setattr(command, "build_parser", lambda _verb: parser)
    for action in parser._subparsers._group_actions:
        action.choices["validate"].set_defaults(verb=broken)
    code, document, said = run("validate")
    assert error_of(code, document)["kind"] == "unexpected"
    assert said == "error: unexpected LookupError: please report it\n  hint: --debug shows the traceback\n"
    main(["validate", "--debug", "-C", str(project)])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(KeyboardInterrupt(), "interrupted"), (ClusterError("member2: no answer", hint="look"), "failed"),
     (PermissionError(13, "Permission denied", "/x"), "failed"), (BrokenPipeError(32, "Broken pipe"), "failed")],
)  # fmt: skip
def test_early_end_of_a_run_is_one_document(stack, project, run, monkeypatch, raised, kind):
    def ends(_options):
        raise raised

    parser = build_parser()
    monkeypatch.setattr(command, "build_parser", lambda _verb: parser)
    for action in parser._subparsers._group_actions:
        action.choices["validate"].set_defaults(verb=ends)
    code, document, _ = run("validate")
    assert code == ExitCode.FAILED
    assert error_of(code, document)["kind"] == kind


def test_closed_output_pipe_is_no_error(stack, project):
    command_line = [sys.executable, "-m", "flotilla.cli.main", "env", "-C", str(project), "-s", "dev", "--json"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command_line, stdout=write, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_failed_preview_is_a_plan_with_its_failures(stack, project, run):
    (project / "__main__.py").write_text("import pulumi_kubernetes as k\nk.core.v1.ConfigMap('one', data={'a': 'b'})\n")
    for verb in ("preview", "up", "policy", "report"):
        words = (verb, "--of", "plan") if verb == "report" else (verb,)
        code, document, said = run(*words)
        assert error_of(code, document)["kind"] == "failed"
        assert document["failures"]
        assert code == ExitCode.FAILED
        assert said.count("error: ") == 1


FILES = """
from pulumi.dynamic import CreateResult, Resource, ResourceProvider

class One(ResourceProvider):
    def create(self, props):
        return CreateResult("one", {})

class OneResource(Resource, module="test", name="One"):
    def __init__(self, name):
        super().__init__(One(), name, {"value": VALUE})

OneResource("one")
"""


def program(project, value):
    (project / "__main__.py").write_text(FILES.replace("VALUE", repr(value)))


def test_plan_is_applied_only_with_its_digest(stack, project, run):
    program(project, "1")
    code, document, _ = run("preview")
    assert code == 0
    assert document["summary"] == {"create": 2}
    shown = document["digest"]
    assert len(shown) == 32
    program(project, "2")
    code, document, _ = run("up", "--plan", shown)
    error = error_of(code, document)
    assert (code, error["kind"]) == (ExitCode.FAILED, "plan-changed")
    assert "nothing was changed" in error["message"]
    assert "preview --json" in error["hint"]
    assert document["digest"] != shown, "the plan as it is now is in the document"
    assert run("destroy")[1]["summary"] == {}, "nothing was done"
    again = run("preview")[1]["digest"]
    assert again == document["digest"]


def test_unconfirmed_plan_is_not_applied_and_is_in_the_document(stack, project, run, monkeypatch):
    program(project, "1")
    code, document, _ = run("up")
    assert (code, error_of(code, document)["kind"]) == (ExitCode.USAGE, "not-confirmed")
    assert document["summary"] == {"create": 2}
    assert run("destroy")[1]["failures"] == []


def test_destroy_of_an_empty_stack_is_a_document(stack, run):
    code, document, _ = run("destroy", "--yes")
    assert code == 0
    assert document["summary"] == {}
    assert document["steps"] == []


def test_digest_is_the_last_line_of_text_output(stack, project, capsys):
    program(project, "1")
    assert main(["preview", "-C", str(project), "-s", "dev"]) == 0
    first = capsys.readouterr().out.splitlines()[-1]
    assert first.startswith("plan digest ")
    main(["preview", "-C", str(project), "-s", "dev"])
    assert capsys.readouterr().out.splitlines()[-1] == first


def failing(name, cluster, error):
    urn = f"urn:pulumi:dev::p::kubernetes:v1:ConfigMap::{name}"
    provider = f"urn:pulumi:dev::p::pulumi:providers:kubernetes::{cluster}::id"
    step = Step(Op.CREATE, urn, "kubernetes:v1:ConfigMap", provider)
    return StepEvent(Phase.FAILED, step, 0.1, error), f"create {step.type} {name}: {error}"


def test_error_that_was_printed_during_the_run_is_not_printed_again(capsys):
    output = Output(as_json=False)
    events = [failing("a", "member1-provider", "no"), failing("b", "member2-provider", "never")]
    for event, _ in events:
        output.on_step(event)
    seen = capsys.readouterr().err
    lines = output.failure_lines(Result(failures=[*(text for _, text in events), "interrupted"]))
    assert lines[0] == "error: interrupted"
    assert "2 failed (" in lines[1]
    assert "member1" in lines[1]
    assert "never" not in " ".join(lines)
    assert seen.count("never") == 1
    quiet = Output(as_json=False)
    assert quiet.failure_lines(Result(failures=["x"])) == ("error: x",)


def test_documented_kinds_are_the_existing_kinds():
    text = (REPOSITORY / "docs" / "reference" / "errors-json.md").read_text()
    assert all(f"| `{kind}` |" in text for kind in Kind)
