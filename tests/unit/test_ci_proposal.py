"""What a preview takes from a pull request: workloads and plain manifests, nothing that chooses credentials or code."""

import shutil

import pytest
import yaml

from ci import proposal
from tests.conftest import REPOSITORY

BASE = {
    "encryptionsalt": "v1:a",
    "config": {
        "flotilla:controlPlane": {"kubeconfig": "karmada.yaml"},
        "flotilla:members": [{"name": "member1", "kubeconfig": "member1.yaml"}],
        "flotilla:workloads": [{"name": "nginx", "image": "nginx:1.27"}],
    },
}


@pytest.fixture
def checkouts(tmp_path):
    for name in ("base", "head"):
        (tmp_path / name / "stacks").mkdir(parents=True)
        shutil.copy(REPOSITORY / "Pulumi.yaml", tmp_path / name / "Pulumi.yaml")
        (tmp_path / name / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(BASE))
    return tmp_path / "head", tmp_path / "base"


def propose(head, workloads, **more):
    document = {**BASE, "config": {**BASE["config"], "flotilla:workloads": workloads, **more}}
    (head / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))


def held(base):
    return {str(file.relative_to(base)): file.read_bytes() for file in base.rglob("*") if file.is_file()}


def test_workloads_and_their_manifests_are_taken(checkouts):
    head, base = checkouts
    (head / "apps").mkdir()
    (head / "apps" / "web.yaml").write_text("kind: ConfigMap\n")
    (head / "__main__.py").write_text("raise SystemExit('the pull request runs')")
    propose(head, [{"name": "web", "manifests": ["apps/web.yaml"]}])
    assert proposal.take(head, base, "dev") == ["apps/web.yaml", "stacks/Pulumi.dev.yaml"]
    taken = yaml.safe_load((base / "stacks" / "Pulumi.dev.yaml").read_text())
    assert taken["config"]["flotilla:workloads"] == [{"name": "web", "manifests": ["apps/web.yaml"]}]
    assert {**taken, "config": {**taken["config"], "flotilla:workloads": 0}} == {
        **BASE,
        "config": {**BASE["config"], "flotilla:workloads": 0},
    }
    assert (base / "apps" / "web.yaml").read_text() == "kind: ConfigMap\n"
    assert not (base / "__main__.py").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"flotilla:members": [{"name": "member1", "kubeconfig": "apps/with-a-plugin.yaml"}]}, "flotilla:members"),
        ({"flotilla:controlPlane": {"helm": {"chart": {"path": "apps"}}}}, "flotilla:controlPlane"),
        ({"flotilla:policies": {"levels": {"images-pinned": "disabled"}}}, "flotilla:policies"),
    ],
)
def test_what_chooses_credentials_or_policies_is_refused_and_named(checkouts, change, named):
    head, base = checkouts
    before = held(base)
    propose(head, [], **change)
    with pytest.raises(proposal.Refused, match=named):
        proposal.take(head, base, "dev")
    assert held(base) == before


def test_another_salt_or_secrets_provider_is_refused(checkouts):
    head, base = checkouts
    (head / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({**BASE, "secretsprovider": "awskms://a"}))
    with pytest.raises(proposal.Refused, match="secretsprovider"):
        proposal.take(head, base, "dev")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../base/Pulumi.yaml",
        "apps/../../x.yaml",
        "~/x.yaml",
        ".git/config.yaml",
        ".flotilla/state/x.json",
        "stacks/Pulumi.production.yaml",
        "policies/PulumiPolicy.yaml",
        "apps/program.py",
        "missing.yaml",
        "link.yaml",
        "linked/x.yaml",
        "folder.yaml",
        "pipe.yaml",
        "large.yaml",
        "binary.yaml",
    ],
)
def test_a_manifest_that_is_no_plain_file_of_the_project_is_refused(checkouts, tmp_path, path):
    import os

    head, base = checkouts
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.yaml").write_text("a secret of the job's machine")
    (head / "link.yaml").symlink_to(tmp_path / "outside" / "x.yaml")
    (head / "linked").symlink_to(tmp_path / "outside")
    (head / "folder.yaml").mkdir()
    os.mkfifo(head / "pipe.yaml")
    (head / "large.yaml").write_text("x" * 2_000_000)
    (head / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    before = held(base)
    propose(head, [{"name": "web", "manifests": [path]}])
    with pytest.raises(proposal.Refused):
        proposal.take(head, base, "dev")
    assert held(base) == before


def test_nothing_is_written_through_a_link_of_the_base(checkouts, tmp_path):
    head, base = checkouts
    (tmp_path / "outside").mkdir()
    (base / "apps").symlink_to(tmp_path / "outside")
    (head / "apps").mkdir()
    (head / "apps" / "web.yaml").write_text("a: b")
    propose(head, [{"name": "web", "manifests": ["apps/web.yaml"]}])
    with pytest.raises(proposal.Refused, match="symbolic link"):
        proposal.take(head, base, "dev")
    assert not list((tmp_path / "outside").iterdir())


@pytest.mark.parametrize("text", ["", "a: [", "- a", "config: 5", "\xff"])
def test_what_is_no_stack_file_is_refused_in_one_line(checkouts, monkeypatch, capsys, text):
    head, base = checkouts
    (head / "stacks" / "Pulumi.dev.yaml").write_text(text, encoding="latin-1")
    monkeypatch.chdir(base)
    with pytest.raises(SystemExit) as ended:
        proposal.main(["--from", str(head), "--stack", "dev"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
