"""The output of a wait, and the plan after a wait that failed, with Pulumi's own engine, on real Karmada."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from tests.contract.main_job import members
from tests.contract.readiness import CLAIM, NAMESPACE, SPACE
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_a_wait_is_printed_and_a_plan_after_a_failed_wait_shows_no_object_as_new(fleet, pulumi, capsys):  # noqa: F811
    """Pulumi stores nothing of a failed creation; earlier, the next plan showed every object as new everywhere."""
    (fleet.project / "claim.yaml").write_text(yaml.safe_dump_all([NAMESPACE, CLAIM]))
    web = {"name": "web", "namespace": SPACE, "manifests": ["claim.yaml"], "placement": {}, "timeout": 12}
    strict = {**web, "ready": {"PersistentVolumeClaim": "healthy"}}
    lacking = f"member1, member2: PersistentVolumeClaim {SPACE}/data: Pending, no volume is bound to it yet"
    fleet.write(members("member1", "member2"), [strict])
    pulumi("stack", "init", "sandbox")
    flotilla = ["-C", str(fleet.project), "-s", "sandbox", "--engine", "pulumi"]
    assert main(["up", *flotilla, "--yes"]) == 1
    assert f"… rollout of web waits for {lacking}" in capsys.readouterr().err

    assert main(["preview", *flotilla, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    (workload,) = plan["workloads"]
    assert [(copy["name"], copy["verb"]) for copy in workload["clusters"]] == [
        ("member1", "stays"),
        ("member2", "stays"),
    ]
    assert "waits" in {one["what"] for one in workload["notices"]}
    assert f"rollout of web waits for {lacking}" in pulumi("up", "--stack", "sandbox", "--yes", refused=True)

    fleet.write(members("member1", "member2"), [web])
    said = pulumi("up", "--stack", "sandbox", "--yes")
    assert f"rollout of web: done, but nothing seems to serve {lacking}" in said
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
