"""Tools for agents, without a fleet: edits of stack files, limits, schemas, the audit log, the token."""

import asyncio
import json

import jsonschema
import pytest

from flotilla.agent import Toolbox, Workplace
from flotilla.agent.audit import AuditLog
from flotilla.agent.bounds import cut, page
from flotilla.agent.edits import Move, Scale, edited
from flotilla.agent.looking import ClusterLine
from flotilla.agent.server import guarded
from flotilla.agent.tool import PagedArguments, Refused
from flotilla.cli.main import main
from flotilla.errors import FlotillaError

STACK = """\
# yaml-language-server: $schema=fleet.schema.json
config:
  flotilla:controlPlane: {kubeconfig: kube.yaml}  # ours
  flotilla:workloads:
    - name: nginx
      image: "nginx:1.27"   # pinned
      replicas: 2
      placement:
        labels: {tier: web}
        replicas: divided
        weights: {member1: 2, member2: 1}
    - name: door
      manifests: [secret.yaml]
      placement: {clusters: [member1]}
"""


def test_scaling_changes_one_line_only():
    changed = edited(STACK, Scale(workload="nginx", replicas=5))
    assert changed == STACK.replace("replicas: 2\n", "replicas: 5\n")


def test_move_removes_other_conditions_and_keeps_fitting_weights():
    changed = edited(STACK, Move(workload="nginx", clusters=["member2", "member3"]))
    assert "tier: web" not in changed
    assert "weights: {member2: 1, member3: 1}" in changed
    assert "# pinned" in changed
    assert changed.startswith("# yaml-language-server")


@pytest.mark.parametrize(
    ("edit", "reported"),
    [
        (Scale(workload="nobody", replicas=1), "declares no workload 'nobody'"),
        (Scale(workload="door", replicas=1), "has manifest files"),
    ],
)
def test_edit_that_the_stack_file_does_not_allow_is_refused(edit, reported):
    with pytest.raises(Refused, match=reported):
        edited(STACK, edit)


def line(index):
    return ClusterLine(
        name=f"c{index}", ready=True, reason="x" * 400, mode="Push", version="", nodes="", region="", labels={}
    )


def test_pages_are_bounded_by_number_and_size_and_lose_nothing():
    entries = [line(index) for index in range(100)]
    seen, cursor = [], ""
    while True:
        part = page(entries, PagedArguments(limit=100, cursor=cursor))
        assert 0 < part.end - part.first < 60, "an answer of 100 long entries would be too long"
        seen += entries[part.first : part.end]
        cursor = part.next_cursor
        if not cursor:
            break
    assert seen == entries
    assert page(entries, PagedArguments(limit=3)) == (0, 3, "3")
    for wrong in ("-1", "x", "101"):
        with pytest.raises(Refused, match="cursor"):
            page(entries, PagedArguments(cursor=wrong))
    assert cut("y" * 1000).endswith("(1000 characters in all)")


@pytest.fixture
def toolbox(tmp_path):
    return Toolbox(Workplace(tmp_path, "dev", allow_changes=True))


def test_schemas_are_valid_and_every_argument_is_described(toolbox):
    schemas = toolbox.schemas()
    assert len(schemas) == 14
    for function in schemas:
        jsonschema.Draft202012Validator.check_schema(function["input_schema"])
        jsonschema.Draft202012Validator.check_schema(function["output_schema"])
        assert function["input_schema"]["additionalProperties"] is False
        for name, described in function["input_schema"]["properties"].items():
            assert described.get("description"), f"{function['name']}.{name}"


def test_invalid_calls_are_refused_without_quoting_values_and_logged(toolbox):
    for name, arguments, reported in (
        ("no_such_tool", {}, "no tool 'no_such_tool'"),
        ("list_clusters", {"limit": "hunter2"}, "list_clusters: limit: must be a whole number"),
        ("list_clusters", {"limits": 3}, "limits: is not an argument of this tool"),
        ("scale_workload", {"workload": "nginx", "replicas": -1, "digest": ""}, "replicas: must be at least 0"),
    ):
        with pytest.raises(Refused, match=reported) as caught:
            toolbox.call(name, arguments, caller="me 1")
        assert "hunter2" not in str(caught.value)
    entries = [json.loads(text) for text in toolbox.audit.file.read_text().splitlines()]
    assert [entry["outcome"] for entry in entries] == ["refused"] * 4
    assert {entry["caller"] for entry in entries} == {"me 1"}


def test_failure_is_reported_in_one_line_and_logged(toolbox):
    with pytest.raises(FlotillaError, match=r"no Pulumi.yaml"):
        toolbox.call("list_clusters", {})
    assert json.loads(toolbox.audit.file.read_text())["outcome"] == "failed"


def test_long_texts_are_logged_by_their_hash(tmp_path):
    log = AuditLog(tmp_path / "audit.jsonl")
    log.record("validate_stack", {"text": "password: hunter2\n" * 50}, outcome="done", seconds=0.1)
    entry = json.loads(log.file.read_text())
    assert entry["arguments"]["text"].startswith("[900 characters, sha256 ")


def test_requests_without_the_token_reach_no_tool():
    reached, sent = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    async def send(message):
        sent.append(message)

    guard = guarded(app, "t" * 20)
    for headers in ([], [(b"authorization", b"Bearer wrong")], [(b"authorization", b"t" * 20)]):
        asyncio.run(guard({"type": "http", "headers": headers}, None, send))
    assert reached == []
    assert [message["status"] for message in sent if "status" in message] == [401] * 3
    asyncio.run(guard({"type": "http", "headers": [(b"authorization", b"Bearer " + b"t" * 20)]}, None, send))
    assert len(reached) == 1


def test_weak_token_and_open_address_without_a_token_are_refused(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("FLOTILLA_MCP_TOKEN", raising=False)
    (tmp_path / "token").write_text("short")
    common = ["mcp", "-C", str(repository), "-s", "dev", "--http"]
    assert main([*common, "--token-file", str(tmp_path / "token")]) == 1
    assert "at least 16" in capsys.readouterr().err
    assert main([*common, "--host", "0.0.0.0"]) == 1  # noqa: S104 - refused
    assert "not the loopback address" in capsys.readouterr().err
