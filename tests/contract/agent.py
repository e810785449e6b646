"""Tools for an agent, through clients of the MCP SDK: every tool called, changes refused and done, nothing leaked."""

import asyncio
import json
import os
import re
import runpy
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from flotilla.agent import Toolbox, Workplace
from flotilla.agent.bounds import MOST_CHARACTERS
from flotilla.agent.tool import Refused
from flotilla.cli.main import main
from flotilla.deploy.interface import EngineName
from flotilla.kube.objects import ObjectRef
from tests.conftest import REPOSITORY
from tests.contract.fleet import deployed_stack, policies_in
from tests.contract.main_job import NGINX, members

READING = {
    "list_clusters",
    "describe_cluster",
    "list_workloads",
    "describe_workload",
    "rollout_status",
    "validate_stack",
    "preview_change",
    "check_drift",
    "check_policies",
    "simulate",
}
CHANGING = {"apply", "move_workload", "scale_workload", "rollback"}
TOKEN = "0123456789abcdef0123456789abcdef"


class Agent:
    """A scripted client; each call in a session of its own would be slow, so a script gets a session."""

    def __init__(self, project, *options):
        self.arguments = ["mcp", "-C", str(project), "--engine", "embedded", *options]

    def run_script(self, script):
        async def run():
            command = StdioServerParameters(
                command=sys.executable, args=["-m", "flotilla.cli.main", *self.arguments], env=dict(os.environ)
            )
            async with Client(stdio_client(command)) as client:
                return await script(client)

        return asyncio.run(asyncio.wait_for(run(), 300))


async def ask(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content[0].text
    assert len(json.dumps(answer.structured_content)) <= MOST_CHARACTERS
    return answer.structured_content


async def refused(client, tool, **arguments):
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error, answer.structured_content
    return answer.content[0].text


@pytest.fixture(scope="module")
def fleet_with_policies(fleet):
    """The fleet, with the project's policies."""
    with policies_in(fleet.project), deployed_stack(fleet) as one:
        yield one


@pytest.fixture
def web(fleet_with_policies):
    """Nginx on both clusters, both labelled."""
    fleet_with_policies.write(members("member1", "member2", labels={"tier": "web"}), [NGINX])
    fleet_with_policies.up()
    (fleet_with_policies.project / ".flotilla" / "audit.jsonl").unlink(missing_ok=True)
    return fleet_with_policies


def test_every_tool_answers_and_a_change_needs_the_digest_of_its_preview(web):
    stack_file = web.project / "stacks" / "Pulumi.sandbox.yaml"
    before = stack_file.read_text()

    async def script(client):
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == READING | CHANGING
        assert all(tool.description and tool.output_schema for tool in listed.tools)

        clusters = await ask(client, "list_clusters", limit=1)
        assert (clusters["total"], clusters["ready"]) == (2, 2)
        more = await ask(client, "list_clusters", limit=1, cursor=clusters["next_cursor"])
        names = [c["name"] for c in clusters["clusters"] + more["clusters"]]
        assert sorted(names) == ["member1", "member2"]
        assert (await ask(client, "describe_cluster", name="member1"))["workloads"] == [
            "default/Deployment nginx: Healthy"
        ]
        assert (await ask(client, "list_workloads", only="unhealthy"))["total"] == 0
        explained = await ask(client, "describe_workload", name="nginx")
        assert explained["summary"] == "nginx is healthy in 2 of 2 clusters"
        assert (await ask(client, "rollout_status"))["rollouts"] == []
        assert (await ask(client, "validate_stack"))["workloads"] == ["nginx"]
        invalid = await ask(client, "validate_stack", text=before.replace("member1", "Member_1", 1))
        assert not invalid["valid"]
        assert invalid["problems"]
        assert (await ask(client, "check_drift"))["clean"] is True
        assert (await ask(client, "check_policies", limit=2))["next_cursor"] == "2"
        lost = await ask(client, "simulate", without=["member2"], failover="off")
        assert [(one["verdict"], one["moves"]) for one in lost["templates"]] == [
            ("fewer", "member1 2, member2 2 → lost")
        ]
        assert "no member 'member7'" in await refused(client, "simulate", cordon=["member7"])

        # Refused: without a digest, with a wrong one, with one that was right until the file changed.
        assert "no digest" in await refused(client, "scale_workload", workload="nginx", replicas=3)
        assert "not the digest of this plan" in await refused(
            client, "scale_workload", workload="nginx", replicas=3, digest="0" * 32
        )
        change = {"kind": "scale", "workload": "nginx", "replicas": 3}
        plan = await ask(client, "preview_change", change=change)
        assert {c["what"]: c["details"] for c in plan["workloads"]} == {
            "nginx in member1": ["replicas 2 → 3"],
            "nginx in member2": ["replicas 2 → 3"],
        }
        assert "not the digest of this plan" in await refused(
            client, "scale_workload", workload="nginx", replicas=4, digest=plan["digest"]
        )
        stack_file.write_text(before.replace("nginx:1.27", "nginx:1.26"))
        assert "not the digest of this plan" in await refused(
            client, "scale_workload", workload="nginx", replicas=3, digest=plan["digest"]
        )
        stack_file.write_text(before)
        assert stack_file.read_text() == before, "nothing was changed so far"

        # Done: what was shown, and the stack file says so.
        done = await ask(client, "scale_workload", workload="nginx", replicas=3, digest=plan["digest"])
        assert (done["complete"], done["as_previewed"]) == (True, True)
        assert done["stack_file"] == "stacks/Pulumi.sandbox.yaml"
        assert "replicas: 3" in stack_file.read_text()
        assert "not the digest of this plan" in await refused(
            client, "scale_workload", workload="nginx", replicas=3, digest=plan["digest"]
        ), "a digest is of a plan that is still to be done"

        move = {"kind": "move", "workload": "nginx", "clusters": ["member2"]}
        plan = await ask(client, "preview_change", change=move)
        assert [(c["what"], c["verb"]) for c in plan["workloads"]] == [("nginx in member1", "gone")]
        done = await ask(client, "move_workload", workload="nginx", clusters=["member2"], digest=plan["digest"])
        assert done["complete"]
        assert (await ask(client, "list_workloads"))["total"] == 1
        assert "would not be valid" in await refused(
            client, "preview_change", change={"kind": "move", "workload": "nginx", "clusters": ["nobody"]}
        )

        # Manually in the stack file, applied by the agent.
        stack_file.write_text(stack_file.read_text().replace("replicas: 3", "replicas: 1"))
        plan = await ask(client, "preview_change")
        assert (await ask(client, "apply", digest=plan["digest"]))["complete"]
        assert (await ask(client, "preview_change"))["next_step"] == "nothing: there are no changes"

        # Back to the update before, which had three replicas; the stack file stays as it is, and is applied again.
        assert "there is no update 99" in await refused(client, "preview_change", change={"kind": "rollback", "to": 99})
        plan = await ask(client, "preview_change", change={"kind": "rollback"})
        assert [c["details"] for c in plan["workloads"]] == [["replicas 1 → 3"]]
        done = await ask(client, "rollback", digest=plan["digest"])
        assert (done["complete"], done["as_previewed"], done["stack_file"]) == (True, True, "")
        plan = await ask(client, "preview_change")
        assert (await ask(client, "apply", digest=plan["digest"]))["complete"]

    Agent(web.project, "--allow-changes").run_script(script)
    ref = ObjectRef("apps/v1", "Deployment", "nginx", "default")
    assert web.connection("member2").get(ref)["spec"]["replicas"] == 1
    entries = [json.loads(line) for line in (web.project / ".flotilla" / "audit.jsonl").read_text().splitlines()]
    assert {entry["tool"] for entry in entries} >= READING | CHANGING
    outcomes = [entry["outcome"] for entry in entries if entry["tool"] == "scale_workload"]
    assert outcomes == ["refused", "refused", "refused", "refused", "done", "refused"]
    assert (web.project / ".flotilla" / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_changing_tools_are_off_by_default(web):
    async def script(client):
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == READING
        assert "changing tools are off" in await refused(client, "apply", digest="0" * 32)
        plan = await ask(client, "preview_change", change={"kind": "scale", "workload": "nginx", "replicas": 5})
        assert plan["next_step"].startswith("a person has to run")

    Agent(web.project).run_script(script)


def test_http_requests_without_the_token_are_refused(web, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    command = [sys.executable, "-m", "flotilla.cli.main", "mcp", "-C", str(web.project), "--engine", "embedded"]
    more = ["--http", "--port", "0", "--token-file", str(tmp_path / "token")]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen([*command, *more], stderr=log, stdout=log)
    try:
        url = listening(tmp_path / "log", server)
        assert url.startswith("http://127.0.0.1:")
        for header in ({}, {"Authorization": "Bearer wrong"}):
            assert status_of(url, header) == 401

        async def script():
            import httpx2

            async with (
                httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                return await ask(client, "list_clusters")

        assert asyncio.run(script())["total"] == 2
        assert TOKEN not in (tmp_path / "log").read_text()
    finally:
        server.terminate()
        server.wait(20)


def listening(log, server):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        found = re.search(r"serving MCP at (\S+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def status_of(url, headers):
    request = urllib.request.Request(  # noqa: S310 - loopback
        url, data=b"{}", headers={"Content-Type": "application/json", **headers}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_secrets_are_in_no_answer_error_or_audit_line(fleet_with_policies):
    """Credentials of the members, and a Secret among the workloads: in no answer, no error and no audit line."""
    (fleet_with_policies.project / "secret.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: door, namespace: default}\nstringData: {key: open-sesame-42}\n"
    )
    door = {"name": "door", "manifests": ["secret.yaml"], "placement": {"clusters": ["member1"]}}
    fleet_with_policies.write(members("member1"), [door])
    toolbox = Toolbox(Workplace(fleet_with_policies.project, "sandbox", EngineName.EMBEDDED, allow_changes=True))
    reported = []

    def say(tool, **arguments):
        try:
            reported.append(json.dumps(toolbox.call(tool, arguments)))
        except Refused as error:
            reported.append(str(error))
        return reported[-1]

    first = json.loads(say("preview_change", limit=100))
    say("apply", digest=first["digest"])
    text = (fleet_with_policies.project / "secret.yaml").read_text().replace("sesame-42", "sesame-43")
    (fleet_with_policies.project / "secret.yaml").write_text(text)
    say("preview_change", limit=100)
    for tool in ("list_clusters", "list_workloads", "check_drift", "check_policies", "validate_stack"):
        say(tool)
    say("describe_cluster", name="member1")
    say("describe_workload", name="door")
    say("scale_workload", workload="door", replicas=2)
    say("preview_change", change={"kind": "scale", "workload": "door", "replicas": 2})
    everything = "\n".join(reported) + (fleet_with_policies.project / ".flotilla" / "audit.jsonl").read_text()
    token = fleet_with_policies.connection("karmada").get(ObjectRef("v1", "Secret", "member1", "karmada-cluster"))[
        "data"
    ]["token"]
    assert token
    for secret in ("sesame-42", "sesame-43", "b3Blbi1zZXNhbWU", token, "PRIVATE KEY"):
        assert secret not in everything, [text[:3000] for text in reported if secret in text]
    assert "manifest files" in reported[-1]


PLAIN = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1.27"}]}
"""
PRIVILEGED = PLAIN.replace('image: "nginx:1.27"', 'image: "evil:1", securityContext: {privileged: true}')
WEB = ObjectRef("apps/v1", "Deployment", "web", "default")


def test_a_manifest_that_changes_after_its_preview_is_not_applied(fleet_with_policies, monkeypatch):
    """What is created is part of what was shown, down to the last field of a manifest file."""
    manifest = fleet_with_policies.project / "web.yaml"
    manifest.write_text(PLAIN)
    web = {"name": "web", "manifests": ["web.yaml"], "placement": {"clusters": ["member1"]}}
    fleet_with_policies.write(members("member1"), [web])
    toolbox = Toolbox(Workplace(fleet_with_policies.project, "sandbox", EngineName.EMBEDDED, allow_changes=True))
    shown = toolbox.call("preview_change", {})["digest"]
    assert toolbox.call("preview_change", {})["digest"] == shown
    manifest.write_text(PRIVILEGED)
    assert toolbox.call("preview_change", {})["digest"] != shown
    with pytest.raises(Refused, match="not the digest of this plan"):
        toolbox.call("apply", {"digest": shown})
    assert fleet_with_policies.connection("karmada").find(WEB) is None

    # Swapped while `apply` is under way, after its own look: the run refuses what that look didn't have.
    manifest.write_text(PLAIN)
    from flotilla.agent import changing

    plan = changing.planned

    def swapping(*arguments, **more):
        found = plan(*arguments, **more)
        manifest.write_text(PRIVILEGED)
        return found

    monkeypatch.setattr(changing, "planned", swapping)
    done = toolbox.call("apply", {"digest": shown})
    assert (done["complete"], done["as_previewed"]) == (False, False)
    assert any("not what was shown" in failure for failure in done["failures"]), done["failures"]
    assert fleet_with_policies.connection("karmada").find(WEB) is None
    monkeypatch.undo()

    manifest.write_text(PLAIN)
    again = toolbox.call("preview_change", {})
    assert toolbox.call("apply", {"digest": again["digest"]})["complete"]
    assert (
        fleet_with_policies.connection("karmada").get(WEB)["spec"]["template"]["spec"]["containers"][0]["image"]
        == "nginx:1.27"
    )


def test_up_with_a_digest_carries_out_only_that_plan_and_a_refreshed_plan_lists_changes_by_member(web, capsys):
    """Scaled in the control plane by somebody: what comes back, member by member, and only with the digest of that."""
    divided = {"clusters": ["member1", "member2"], "replicas": "divided", "weights": {"member1": 2, "member2": 1}}
    common = ["-C", str(web.project), "--engine", "embedded", "--refresh", "--json"]
    web.write(members("member1", "member2", labels={"tier": "web"}), [{**NGINX, "replicas": 7, "placement": divided}])

    def preview():
        capsys.readouterr()
        assert main(["preview", *common]) == 0
        return json.loads(capsys.readouterr().out)

    first = preview()["digest"]
    assert main(["up", *common, "--plan", first]) == 0
    ref = ObjectRef("apps/v1", "Deployment", "nginx", "default")
    web.connection("karmada").patch(ref, {"spec": {"replicas": 3}}, query={"fieldManager": "somebody"})
    plan = preview()
    (workload,) = plan["workloads"]
    reported = {copy["name"]: (copy["verb"], copy["details"]) for copy in workload["clusters"]}
    assert reported == {"member1": ("changes", ["replicas 2 → 5"]), "member2": ("changes", ["replicas 1 → 2"])}
    capsys.readouterr()
    assert main(["up", *common, "--plan", first]) == 1
    refused = json.loads(capsys.readouterr().out)
    assert refused["error"]["kind"] == "plan-changed"
    assert web.connection("karmada").get(ref)["spec"]["replicas"] == 3
    assert main(["up", *common, "--plan", plan["digest"]]) == 0
    assert json.loads(capsys.readouterr().out)["failures"] == []
    assert web.connection("karmada").get(ref)["spec"]["replicas"] == 7


def guide(first_line):
    text = (REPOSITORY / "docs" / "guides" / "agent.md").read_text()
    return next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if block.startswith(first_line))


def test_the_example_agent_of_the_guide_keeps_nginx_on_the_labelled_clusters(web, third_member, monkeypatch, capsys):
    (web.project / "keep.py").write_text(guide('"""Keeps'))
    monkeypatch.chdir(web.project)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("FLOTILLA_ENGINE", "embedded")

    def keep():
        capsys.readouterr()
        runpy.run_path("keep.py", run_name="__main__")
        return capsys.readouterr().out

    assert keep() == "nothing to do: nginx runs on member1, member2\n"
    labelled = members("member1", "member3", labels={"tier": "web"}) + members("member2", labels={"tier": "db"})
    web.write(labelled, [NGINX])
    web.up()
    assert "moved; complete: True as previewed: True" in keep()
    ref = ObjectRef("apps/v1", "Deployment", "nginx", "default")
    assert [web.connection(name).find(ref) is not None for name in ("member1", "member2", "member3")] == [
        True,
        False,
        True,
    ]
    assert keep() == "nothing to do: nginx runs on member1, member3\n"


def test_the_example_of_the_guide_without_an_agent_runs(web, monkeypatch, capsys):
    (web.project / "plain.py").write_text(guide("from pathlib"))
    monkeypatch.chdir(web.project)
    monkeypatch.setenv("FLOTILLA_ENGINE", "embedded")
    runpy.run_path("plain.py", run_name="__main__")
    printed = capsys.readouterr().out
    assert "describe_workload ['name', 'namespace']" in printed
    assert "'total': 2" in printed
