"""The steps of the CI templates, run on the sandbox with a simulated forge on loopback."""

import shutil

import pytest

from ci.rehearsal import run_all
from tests.conftest import REPOSITORY
from tests.contract.fleet import policies_in
from tests.contract.main_job import NGINX, members

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]


def test_the_ci_steps_of_a_pull_request_a_merge_and_a_drift_check_run(fleet, run):
    shutil.copytree(REPOSITORY / "ci", fleet.project / "ci")
    fleet.write(members("member1", "member2"), [NGINX])
    with policies_in(fleet.project):
        forge = run_all(fleet.project, "sandbox")
    assert [entry["state"] for entry in forge.issues] == ["closed"]
    assert "requests-and-limits" in forge.comments[0]["body"], "the policies' verdicts are in the comment"
