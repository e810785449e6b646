"""The check of a pull request plans without any cluster and without credentials of the stack."""

import pytest
import yaml

from ci import offline
from flotilla.stack.load import load_stack_file
from tests.conftest import REPOSITORY

STACKS = sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml"))


def test_offline_stack_has_no_kubeconfig_and_no_encrypted_value(tmp_path):
    document = {
        "encryptionsalt": "v1:a",
        "config": {
            "flotilla:controlPlane": {"kubeconfig": {"inline": {"secure": "v1:b"}}, "version": "1.18.2"},
            "flotilla:members": [
                {"name": "a", "kubeconfig": "~/.kube/real", "labels": {"site": "x"}},
                {"name": "b", "kubeconfig": {"path": "real.yaml", "context": "c"}},
                {"name": "c", "kubeconfig": {"cluster": "made"}},
                {"name": "d", "kubeconfig": {"cluster": "made", "stack": "other"}},
            ],
            "flotilla:key": {"secure": "v1:c"},
            "flotilla:workloads": [{"secrets": [{"name": "a", "stringData": {"key": {"secure": "v1:d"}}}]}],
        },
    }
    found = offline.offline(document, tmp_path)
    text = yaml.safe_dump(found)
    for gone in ("v1:", "real", "secure", "encryptionsalt", "other"):
        assert gone not in text
    assert found["config"]["flotilla:members"][0]["labels"] == {"site": "x"}
    # Any other placeholder would be a Secret's value in clear text, which is refused.
    assert found["config"]["flotilla:workloads"][0]["secrets"][0]["stringData"] == {"key": "[secret]"}
    assert found["config"]["flotilla:members"][2]["kubeconfig"] == {"cluster": "made"}
    written = sorted(tmp_path.iterdir())
    assert len(written) == 4
    assert all(".invalid:6443" in file.read_text() and "token" not in file.read_text() for file in written)


@pytest.mark.parametrize("stack", STACKS, ids=lambda path: path.stem)
def test_every_example_stack_can_be_checked_without_its_kubeconfigs(stack, tmp_path):
    document = yaml.safe_load(stack.read_text())
    for other in STACKS:
        (tmp_path / other.name).write_text(other.read_text())
    file = tmp_path / stack.name
    file.write_text(yaml.safe_dump(offline.offline(document, tmp_path)))
    assert load_stack_file(file, base=REPOSITORY)  # raises if the stack isn't valid


def test_stack_that_uses_another_stack_is_recognised():
    assert offline.builds_on_another({"config": {"flotilla:membersFrom": "members"}})
    assert offline.builds_on_another({"config": {"flotilla:controlPlane": {"stack": "platform"}}})
    assert not offline.builds_on_another({"config": {"flotilla:controlPlane": {"kubeconfig": "a"}}})
