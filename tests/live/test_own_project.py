"""A project that `flotilla init` wrote, with Pulumi's own commands and only the wheel."""

import os
import shutil
import subprocess

import pytest

from flotilla.scaffold.record import RECORD
from flotilla.scaffold.template_files import TEMPLATE
from flotilla.scaffold.writing import write_project
from tests.conformance.versions import CLI_NEEDS, LANGUAGE, PROVIDER, require
from tests.contract.main_job import NGINX, deployed, everything, members
from tests.installed import Environment

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    require(*CLI_NEEDS, LANGUAGE, PROVIDER)
    (tmp_path / "state").mkdir()
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    more = {
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase of this test",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }

    def run(*arguments, cwd):
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=cwd,
            env={**kept, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    return run


def test_pulumi_new_writes_the_same_project_as_init(pulumi, tmp_path):
    folder = tmp_path / "my-fleet"
    folder.mkdir()
    pulumi("new", str(TEMPLATE), "--generate-only", "--yes", "--name", "my-fleet", cwd=folder)
    write_project(tmp_path / "ours", "my-fleet")
    there = {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    ours = {
        file.relative_to(tmp_path / "ours"): file.read_bytes()
        for file in (tmp_path / "ours").rglob("*")
        if file.is_file()
    }
    differing = {str(path) for path in there.keys() | ours.keys() if there.get(path) != ours.get(path)}
    assert differing == {"Pulumi.yaml", RECORD, "stacks/fleet.schema.json"}, "Pulumi notes the template as a tag"


def test_preview_up_policies_and_destroy_of_a_created_project(fleet, pulumi, tmp_path):
    before = everything(fleet)
    environment = Environment(tmp_path / "installed")
    project = tmp_path / "my-fleet"
    write_project(project, "my-fleet")
    (project / ".venv").symlink_to(environment.folder)
    fleet.write(members("member1", "member2"), [{**NGINX, "components": ["announcement"]}])
    shutil.copy(fleet.project / "stacks" / "Pulumi.sandbox.yaml", project / "stacks")
    pulumi("stack", "init", "sandbox", cwd=project)
    planned = pulumi("preview", "--stack", "sandbox", "--policy-pack", "policies", cwd=project)
    assert "nginx-announcement" in planned
    assert "flotilla" in planned
    pulumi("up", "--stack", "sandbox", "--yes", cwd=project)
    assert deployed(fleet, "member1")["status"]["readyReplicas"] == NGINX["replicas"]
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes", cwd=project)
    pulumi("destroy", "--stack", "sandbox", "--yes", cwd=project)
    assert everything(fleet) == before
