"""What agents see of changes in waves: they can read them; only a person can approve."""

import pytest
import yaml

from flotilla.agent import Toolbox, Workplace
from tests.conftest import REPOSITORY
from tests.faults.fake import FakeApi
from tests.unit.waves import kept, record


@pytest.fixture
def toolbox(project, sections):
    with FakeApi(kept(record(), approved="before-1"), kept(record("other"))) as api:
        (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
        (project / "stacks").mkdir()
        config = {f"flotilla:{key}": value for key, value in sections.items()}
        (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
        (project / "kube.yaml").write_text(api.kubeconfig)
        yield Toolbox(Workplace(project, "dev", allow_changes=True))


def test_agent_lists_the_changes_of_its_stack(toolbox):
    answer = toolbox.call("rollout_status", {})
    (found,) = answer["rollouts"]
    assert (answer["total"], found["workload"], found["phase"]) == (1, "nginx", "approval")
    assert (found["reached"], found["held"]) == (["member1"], ["member2", "member3", "member4"])
    assert (found["text"], found["waits_for"]) == ("wave 2 of 3 waits for approval", "before-2")
    assert [wave["passed"] for wave in found["waves"]] == [True, False, False]
    assert toolbox.call("rollout_status", {"workload": "door"})["rollouts"] == []


def test_no_tool_approves():
    """Whatever an agent may change, a wave that waits for a person's approval can't be approved by an agent."""
    names = [function["name"] for function in Toolbox(Workplace(REPOSITORY, "dev", allow_changes=True)).schemas()]
    assert not [name for name in names if "approve" in name]
