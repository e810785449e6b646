"""`adopt --from-member`: changes of the stack file and the manifests, and the arguments that are refused."""

import shutil

import pytest
import yaml

from flotilla.cli.main import main
from tests.unit.from_member import BASE, OTHER, document, fleet_of_fakes, namespace, with_metadata


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    with fleet_of_fakes(tmp_path, monkeypatch) as found:
        yield found


def test_workloads_are_added_to_a_stack_file_and_its_other_lines_stay(fleet, capsys):
    fleet.stack(OTHER)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    said = capsys.readouterr().out
    assert "has 2 workloads with 6 objects of member1 more" in said
    after = fleet.file.read_text()
    head, tail = before.split("\n  # What comes after")
    assert after.startswith(head)
    assert f"\n  # What comes after{tail}" in after
    assert fleet.workloads["shop"]["placement"] == {"clusters": ["member1"]}
    assert fleet.workloads["shop"]["conflictResolution"] == "Overwrite"
    assert fleet.workloads["shop"]["manifests"] == ["adopted/prod/shop"]
    assert {request.split()[0] for request in (*fleet.karmada.requests, *fleet.member.requests)} == {"GET"}
    fleet.validate()


def test_a_wrong_passphrase_changes_nothing(fleet, monkeypatch, capsys):
    fleet.stack()
    before = fleet.file.read_text()
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another")
    fleet.run("--namespace", "shop", code=1)
    assert "passphrase is wrong" in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


def test_a_new_stack_has_the_control_plane_its_members_and_the_workloads(fleet, capsys):
    given = ["--karmada-kubeconfig", str(fleet.project / "karmada.yaml")]
    given += ["--member-kubeconfig", f"member1={fleet.project / 'member1.yaml'}", "--namespace", "shop"]
    fleet.run(*given, "--json", "--karmada-version", "1.18.2")
    assert document(capsys)["counts"] == {"members": 2, "workloads": 2, "templates": 6, "controlPlaneObjects": 0}
    assert [one["name"] for one in fleet.config["flotilla:members"]] == ["member1", "member2"]
    assert set(fleet.workloads) == {"shop", "shop-shared"}
    (fleet.project / "kubeconfigs").mkdir()
    shutil.copy(fleet.project / "member2.yaml", fleet.project / "kubeconfigs" / "member2.yaml")
    fleet.validate()


def test_new_stack_can_use_the_members_of_another_stack(fleet):
    fleet.stack()
    part = ["adopt", "-C", str(fleet.project), "-s", "part", "--from-member", "member1", "-n", "shop"]
    part += ["--karmada-kubeconfig", str(fleet.project / "karmada.yaml"), "--members-from", "prod"]
    assert main([*part, "--member-kubeconfig", f"member1={fleet.project / 'member1.yaml'}"]) == 0
    config = yaml.safe_load((fleet.project / "stacks" / "Pulumi.part.yaml").read_text())["config"]
    assert config["flotilla:membersFrom"] == "prod"
    assert "flotilla:members" not in config
    assert [one["name"] for one in config["flotilla:workloads"]] == ["shop-shared", "shop"]
    assert main(["validate", "-C", str(fleet.project), "-s", "part"]) == 0


def test_objects_that_run_as_declared_add_nothing(fleet, capsys):
    fleet.member.put(with_metadata(namespace(), labels={"karmada.io/managed": "true"}))
    for obj in BASE[1:]:
        fleet.member.put(with_metadata(obj, labels={"karmada.io/managed": "true"}))
    fleet.stack(OTHER)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    assert "there is nothing in member1 to add" in capsys.readouterr().out
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


def test_a_dry_run_prints_what_would_be_added_and_writes_nothing(fleet, capsys):
    fleet.stack(OTHER)
    before = sorted(fleet.project.rglob("*"))
    fleet.run("--namespace", "shop", "--dry-run")
    captured = capsys.readouterr()
    assert [one["name"] for one in yaml.safe_load(captured.out)] == ["shop-shared", "shop"]
    assert "would have 2 workloads" in captured.err
    assert sorted(fleet.project.rglob("*")) == before


@pytest.mark.parametrize(
    "workloads",
    [
        "  flotilla:workloads: [{name: a, image: x, placement: {clusters: [member1]}}]\n",
        "  flotilla:workloads: '[]'\n",
    ],
)
def test_stack_file_to_which_no_lines_can_be_added_stays_unchanged(fleet, capsys, workloads):
    fleet.stack(workloads)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop")
    said = capsys.readouterr().out
    assert "it was not changed: add the entries above" in said
    assert "- name: shop" in said
    assert fleet.file.read_text() == before
    assert "deployment-web.yaml" in fleet.manifests("shop")


@pytest.mark.parametrize("empty", [" []", ":", " null # none", " []   # none\n  flotilla:policies: {}"])
def test_an_empty_list_gets_the_workloads(fleet, empty):
    fleet.stack(f"  flotilla:workloads:{empty.removeprefix(':')}\n")
    fleet.run("--namespace", "shop")
    assert set(fleet.workloads) == {"shop", "shop-shared"}
    assert ("# none" in empty) == ("# none" in fleet.file.read_text())


def test_windows_line_ends_and_links_are_kept(fleet):
    fleet.stack(OTHER)
    linked = fleet.project / "prod.yaml"
    before = fleet.file.read_text().replace("\n", "\r\n")
    linked.write_bytes(before.encode())
    fleet.file.unlink()
    fleet.file.symlink_to(linked)
    fleet.run("--namespace", "shop")
    assert fleet.file.is_symlink()
    lines = linked.read_bytes().decode().split("\r\n")
    assert not [line for line in lines if "\n" in line]
    assert [line for line in before.split("\r\n") if line not in lines] == []
    assert "shop" in fleet.workloads
    fleet.validate()


def test_existing_manifests_are_not_overwritten(fleet, capsys):
    fleet.stack()
    (fleet.project / "adopted" / "prod" / "shop").mkdir(parents=True)
    before = fleet.file.read_text()
    fleet.run("--namespace", "shop", code=2)
    assert "adopt overwrites no file; nothing was written" in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert [one.name for one in (fleet.project / "adopted" / "prod").iterdir()] == ["shop"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "needs --namespace or --object"),
        (["--namespace", "kube-system"], "Karmada sends nothing there"),
        (["--namespace", "gone"], "member1 has no namespace gone"),
        (["--namespace", ""], "is not a namespace"),
        (["--namespace", "shop/../x"], "is not a namespace"),
        (["--object", "Deployment/a b/web"], "is not a namespace"),
        (["--object", "Deployment/shop/gone"], "member1 has no Deployment shop/gone"),
        (["--object", "web"], "write KIND/NAME"),
        (["--namespace", "shop", "--policy", "p"], "--from-member reads a member"),
        (["--namespace", "shop", "--workload", "Not a name"], "is not a workload's name"),
        (["--namespace", "shop", "--from-member", "nobody"], "has no member 'nobody'"),
    ],
)
def test_invalid_arguments_are_refused(fleet, capsys, arguments, said):
    fleet.stack()
    before = fleet.file.read_text()
    fleet.run(*arguments, code=2)
    assert said in capsys.readouterr().err
    assert fleet.file.read_text() == before
    assert not (fleet.project / "adopted").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from-member", "member1", "-n", "shop"], "a new one needs --karmada-kubeconfig"),
        (["--object", "Deployment/web"], "give --from-member as well"),
        ([], "needs --karmada-kubeconfig"),
    ],
)
def test_stack_without_a_file_needs_the_kubeconfig_of_the_control_plane(fleet, capsys, arguments, said):
    assert main(["adopt", "-C", str(fleet.project), "-s", "prod", *arguments]) == 2
    assert said in capsys.readouterr().err
