"""What a preview takes from a pull request: workloads and manifests, but nothing that chooses credentials or code."""

import shutil

import pytest
import yaml

from ci import proposal
from tests.conftest import REPOSITORY
from tests.sops_stand_in import sealed

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


def stored(base):
    return {str(file.relative_to(base)): file.read_bytes() for file in base.rglob("*") if file.is_file()}


def test_workloads_and_their_manifests_are_taken_from_the_pull_request(checkouts):
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
def test_keys_that_choose_credentials_or_policies_are_refused_and_named(checkouts, change, named):
    head, base = checkouts
    before = stored(base)
    propose(head, [], **change)
    with pytest.raises(proposal.Refused, match=named):
        proposal.take(head, base, "dev")
    assert stored(base) == before


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
        "linked",
        "linked/*.yaml",
        "*.yaml",
        "apps",
        "apps/*",
        "stacks",
        "st*/*.yaml",
        ".git/*",
        "../base/*.yaml",
        "nothing/*.yaml",
    ],
)
def test_manifest_that_is_no_regular_file_of_the_project_is_refused(checkouts, tmp_path, path):
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
    (head / "apps").mkdir()
    (head / "apps" / "link.yaml").symlink_to(tmp_path / "outside" / "x.yaml")
    before = stored(base)
    propose(head, [{"name": "web", "manifests": [path]}])
    with pytest.raises(proposal.Refused):
        proposal.take(head, base, "dev")
    assert stored(base) == before


@pytest.mark.parametrize("entry", ["apps", "apps/*.yaml", "a*/**"])
def test_folders_and_patterns_have_the_files_of_the_pull_request(checkouts, entry):
    """Files that the pull request deletes are absent: a file of the base branch would be a part of the plan."""
    head, base = checkouts
    for folder, files in ((base, ("old.yaml", "same.yaml", "kept.txt")), (head, ("new.yaml", "same.yaml"))):
        (folder / "apps").mkdir()
        for name in files:
            (folder / "apps" / name).write_text(f"in: {folder.name}\n")
    propose(head, [{"name": "web", "manifests": [entry]}])
    assert proposal.take(head, base, "dev") == [
        "apps/new.yaml", "apps/old.yaml", "apps/same.yaml", "stacks/Pulumi.dev.yaml"
    ]  # fmt: skip
    assert {name: text for name, text in stored(base).items() if name.startswith("apps")} == {
        "apps/new.yaml": b"in: head\n", "apps/same.yaml": b"in: head\n", "apps/kept.txt": b"in: base\n"
    }  # fmt: skip


@pytest.mark.parametrize(("keys", "taken"), [({}, True), ({"hc_vault": [{"vault_address": "https://evil"}]}, False)])
def test_changed_file_encrypted_by_a_key_service_is_not_decrypted_in_a_preview(checkouts, keys, taken):
    """`sops` would send the job's credentials to the address that the file names."""
    head, base = checkouts
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"a": "b"}}
    (head / "a.yaml").write_text(yaml.safe_dump(sealed(secret, "stringData", **keys)))
    propose(head, [{"name": "web", "manifests": ["a.yaml"]}])
    if not taken:
        with pytest.raises(proposal.Refused, match="encrypted with SOPS for hc_vault"):
            proposal.take(head, base, "dev")
        (base / "a.yaml").write_text((head / "a.yaml").read_text())
    assert "a.yaml" in proposal.take(head, base, "dev")


def test_nothing_is_written_through_a_link_of_the_base_branch(checkouts, tmp_path):
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
def test_invalid_stack_file_is_refused_in_one_line(checkouts, monkeypatch, capsys, text):
    head, base = checkouts
    (head / "stacks" / "Pulumi.dev.yaml").write_text(text, encoding="latin-1")
    monkeypatch.chdir(base)
    with pytest.raises(SystemExit) as ended:
        proposal.main(["--from", str(head), "--stack", "dev"])
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


CHARTED = {"name": "shop", "chart": {"path": "charts/web", "values": {"a": 1}}}


@pytest.mark.parametrize(
    "change",
    [
        {"chart": {"path": "charts/other"}},
        {"chart": {"path": "charts/web", "values": {"a": 2}}},
        {"chart": {"repository": "https://charts.example", "name": "web", "version": "1.2.3"}},
        {"chart": None, "kustomize": {"path": "apps"}},
        {"chart": None, "source": {"use": "jsonnet", "args": {"file": "web.jsonnet"}}},
        {"namespace": "other"},
        {"name": "new"},
    ],
)
def test_changed_chart_setting_that_affects_a_job_with_secrets_is_refused(checkouts, change):
    head, base = checkouts
    stack = base / "stacks" / "Pulumi.dev.yaml"
    stack.write_text(yaml.safe_dump({**BASE, "config": {**BASE["config"], "flotilla:workloads": [CHARTED]}}))
    before = stored(base)
    propose(head, [{**CHARTED, **change}])
    with pytest.raises(proposal.Refused, match="changes the chart, kustomization or source of"):
        proposal.take(head, base, "dev")
    assert stored(base) == before
    propose(head, [{**CHARTED, "placement": {"clusters": ["member1"]}}])
    assert proposal.take(head, base, "dev") == ["stacks/Pulumi.dev.yaml"], "what isn't rendered may change"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"chart": {"path": "charts/web"}}, "charts/web/templates/new.yaml"),
        ({"chart": {"path": "charts/web"}}, "charts/web/templates/old.yaml"),
        ({"chart": {"path": "charts/web", "valuesFiles": ["values.yaml"]}}, "values.yaml"),
        ({"kustomize": {"path": "app/overlay"}}, "app/overlay/patch.yaml"),
        ({"kustomize": {"path": "app/overlay"}}, "app/base/patch.yaml"),
    ],
)
def test_manifest_that_is_part_of_a_chart_or_kustomization_of_the_base_branch_is_refused(checkouts, source, path):
    """helm would process it, with decrypted values, in a job that may take only data from a pull request."""
    head, base = checkouts
    workload = {"name": "shop", "placement": {}, **source}
    (base / "stacks" / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({**BASE, "config": {**BASE["config"], "flotilla:workloads": [workload]}})
    )
    for folder, text in (("app/overlay", "resources: [../base]\n"), ("app/base", "resources: []\n")):
        (base / folder).mkdir(parents=True)
        (base / folder / "kustomization.yaml").write_text(text)
    (base / "charts" / "web" / "templates").mkdir(parents=True)
    (base / "charts" / "web" / "templates" / "old.yaml").write_text("kind: ConfigMap\n")
    (base / "values.yaml").write_text("a: 1\n")
    (head / path).parent.mkdir(parents=True, exist_ok=True)
    (head / path).write_text("kind: Secret\n")
    before = stored(base)
    propose(head, [workload, {"name": "web", "manifests": [path]}])
    with pytest.raises(proposal.Refused, match="is a file from which workload shop is rendered"):
        proposal.take(head, base, "dev")
    assert stored(base) == before
    (head / "apps.yaml").write_text("kind: ConfigMap\n")
    propose(head, [workload, {"name": "web", "manifests": ["apps.yaml"]}])
    assert "apps.yaml" in proposal.take(head, base, "dev")


def test_project_with_a_source_of_its_own_takes_no_manifest(checkouts):
    """Such a source may read any manifest and do anything with it."""
    head, base = checkouts
    workload = {"name": "shop", "placement": {}, "source": "jsonnet"}
    (base / "stacks" / "Pulumi.dev.yaml").write_text(
        yaml.safe_dump({**BASE, "config": {**BASE["config"], "flotilla:workloads": [workload]}})
    )
    (head / "apps.yaml").write_text("kind: ConfigMap\n")
    propose(head, [workload, {"name": "web", "manifests": ["apps.yaml"]}])
    with pytest.raises(proposal.Refused, match="is a file from which workload shop is rendered"):
        proposal.take(head, base, "dev")
