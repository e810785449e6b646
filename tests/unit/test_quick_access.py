"""Read-only verbs use the kubeconfig files that the stack file names, without models and state where these suffice."""

import json

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.deploy import quick_access as quick
from flotilla.deploy.interface import Setting
from tests.faults import FakeApi
from tests.unit.test_broken_members import cluster

STATE = {"member1": "of the state"}


@pytest.fixture
def project(project, monkeypatch):
    """A project whose Karmada and members are one fake API server."""
    (project / "Pulumi.yaml").write_text("name: flotilla\nruntime: python\nstackConfigDir: stacks\n")
    (project / "stacks").mkdir()
    monkeypatch.delenv("FLOTILLA_STACK", raising=False)
    with FakeApi(cluster("member1"), cluster("member2")) as api:
        for name in ("kube", "member1", "member2"):
            (project / f"{name}.yaml").write_text(api.kubeconfig)
        yield project


def write(project, sections):
    config = {f"flotilla:{key}": value for key, value in sections.items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))


def open_access(project):
    return quick.quick_access(Setting(project, "dev"), lambda: STATE)


def test_stack_file_with_kubeconfig_files_needs_no_state(project, sections):
    sections["members"][1]["kubeconfig"] = {"path": "member2.yaml", "context": "fake"}
    write(project, sections)
    access = open_access(project)
    assert access.control_plane.name == "Karmada"
    assert access.known == ["member1", "member2"]
    assert access.member("member2").request("GET", "/version", doing="looking") is not None


@pytest.mark.parametrize("entry", [{"cluster": "one"}, {"inline": {"secure": "v1:a:b"}}, {"path": "gone.yaml"}])
def test_member_whose_file_is_missing_is_read_from_the_state(project, sections, entry):
    sections["members"][1]["kubeconfig"] = entry
    write(project, sections)
    access = open_access(project)
    assert access is not None
    assert access.known == ["member1"]


UNUSUAL = {
    "helm": {"helm": {"host": "kube.yaml"}, "version": "1.18.2"},
    "another stack's": {"stack": "platform"},
    "inline": {"kubeconfig": {"inline": {"secure": "v1:a:b"}}},
    "a cluster of the stack": {"kubeconfig": {"cluster": "one"}},
    "no file": {"kubeconfig": "gone.yaml"},
    "no such context": {"kubeconfig": {"path": "kube.yaml", "context": "other"}},
    "an unknown key": {"kubeconfig": "kube.yaml", "versoin": "1.18.2"},
    "an unknown version": {"kubeconfig": "kube.yaml", "version": "0.9"},
    "a number": {"kubeconfig": "kube.yaml", "version": 1.18},
    "a text": "kube.yaml",
    "nothing": None,
}


@pytest.mark.parametrize("section", UNUSUAL.values(), ids=UNUSUAL)
def test_other_control_planes_need_the_whole_stack_file(project, sections, section):
    write(project, {**sections, "controlPlane": section})
    assert open_access(project) is None


BROKEN = {
    "an unknown section": ({"member": []}, "member: is not a known key"),
    "no list": ({"members": {}}, "members: must be a list"),
    "another version": ({"controlPlane": {"kubeconfig": "kube.yaml", "version": "0.9"}}, "must be between 1.10 and"),
    "two control planes": ({"controlPlane": {"kubeconfig": "kube.yaml", "stack": "x"}}, "needs exactly one of"),
    "no file": ({"controlPlane": {"kubeconfig": "gone.yaml"}}, "gone.yaml"),
}


@pytest.mark.parametrize("verb", ["clusters", "status"])
@pytest.mark.parametrize(("changed", "said"), BROKEN.values(), ids=BROKEN)
def test_broken_stack_file_gives_the_same_error(project, sections, capsys, verb, changed, said):
    write(project, {**sections, **changed})
    assert main([verb, "-C", str(project), "-s", "dev"]) in (1, 2)
    assert said in capsys.readouterr().err


def test_invalid_yaml_and_a_missing_stack_file_are_named(project, capsys):
    file = project / "stacks" / "Pulumi.dev.yaml"
    for text, said in (
        ("a: [", "not valid YAML"),
        ("config: 3", "must be a mapping"),
        (None, "there is no stack file"),
    ):
        file.unlink(missing_ok=True) if text is None else file.write_text(text)
        assert main(["clusters", "-C", str(project), "-s", "dev"]) != 0
        assert said in capsys.readouterr().err


def test_members_are_probed_by_their_own_kubeconfig_files(project, sections, capsys):
    """Karmada reports a member as Ready for minutes after it has stopped answering."""
    dead = yaml.safe_load((project / "member2.yaml").read_text())
    dead["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    (project / "member2.yaml").write_text(yaml.safe_dump(dead))
    write(project, sections)
    assert main(["clusters", "-C", str(project), "-s", "dev", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found["clusters"]] == ["member1", "member2"]
    assert list(found["unanswered"]) == ["member2"]
