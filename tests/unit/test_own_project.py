"""`flotilla init`: the files that it writes, what it refuses, and upgrades that keep the user's changes."""

import json
import os

import pytest
import yaml

from ci.packaging.template import made
from flotilla import __version__
from flotilla.cli.main import main
from flotilla.scaffold.record import RECORD, digest
from flotilla.scaffold.template_files import TEMPLATE, name_problem, project_files
from tests.conftest import REPOSITORY


@pytest.fixture
def project(tmp_path):
    assert main(["init", str(tmp_path / "my-fleet")]) == 0
    return tmp_path / "my-fleet"


def tree(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_new_project_has_all_files_that_a_fleet_needs(project):
    assert tree(project) == {
        ".flotilla-init.json",
        ".github/workflows/fleet.yml",
        ".gitignore",
        "Pulumi.yaml",
        "README.md",
        "__main__.py",
        "components/__init__.py",
        "components/announcement.py",
        "policies/PulumiPolicy.yaml",
        "policies/__main__.py",
        "policies/rules/__init__.py",
        "pyproject.toml",
        "requirements-dev.txt",
        "requirements.txt",
        "stacks/Pulumi.dev.yaml",
        "stacks/fleet.schema.json",
        "tests/test_stack.py",
    }
    settings = yaml.safe_load((project / "Pulumi.yaml").read_text())
    assert settings["name"] == "my-fleet"
    assert "template" not in settings
    assert (project / "requirements.txt").read_text() == f"flotilla-fleet=={__version__}\n"
    assert "from components" not in (project / "__main__.py").read_text(), "of the repository, that isn't installed"
    assert not [file for file in project.rglob("*") if file.is_file() and "${PROJECT}" in file.read_text()]
    schema = (REPOSITORY / "stacks" / "fleet.schema.json").read_text()
    assert (project / "stacks" / "fleet.schema.json").read_text() == schema


def test_template_equals_the_files_of_the_repository():
    """After a change of the program or the policy pack: `make template`."""
    assert {path: (TEMPLATE / path).read_text() for path in made()} == made()


def test_first_stack_is_valid_once_its_kubeconfigs_exist(project, home, monkeypatch):
    contexts = [{"name": name, "context": {"cluster": name, "user": "admin"}} for name in ("member1", "member2")]
    clusters = [
        {"name": name, "cluster": {"server": f"https://127.0.0.{n}:1"}} for n, name in enumerate(("member1", "member2"))
    ]
    document = {"apiVersion": "v1", "kind": "Config", "users": [{"name": "admin", "user": {"token": "t"}}]}
    kube = project.parent / "home" / ".kube"
    (kube / "config").write_text(yaml.safe_dump({**document, "clusters": clusters, "contexts": contexts}))
    one = [{"name": "one", "cluster": {"server": "https://127.0.0.9:1"}}]
    karmada = {
        **document,
        "clusters": one,
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "admin"}}],
    }
    (kube / "karmada.config").write_text(yaml.safe_dump({**karmada, "current-context": "one"}))
    assert main(["validate", "-C", str(project), "-s", "dev"]) == 0


@pytest.mark.parametrize("name", ["", "-x", "x-", "a b", "ä", "a/b", "pulumi", "Pulumi.x", "x" * 101, "a\n"])
def test_a_name_that_pulumi_or_python_refuses_is_refused(name):
    assert name_problem(name)


@pytest.mark.parametrize("name", ["my-fleet", "a", "1", "Fleet_2.x"])
def test_other_names_are_accepted(name):
    assert name_problem(name) == ""
    assert yaml.safe_load(project_files(name)["Pulumi.yaml"])["name"] == name


def refused(capsys, *arguments):
    assert main(["init", *map(str, arguments)]) == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    first = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(first) == 1, err
    return first[0]


def test_folder_that_is_not_empty_is_refused_and_unchanged(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    assert "isn't empty: it has mine; nothing was written" in refused(capsys, tmp_path / "full")
    assert tree(tmp_path) == {"full/mine"}


def test_missing_parent_a_file_and_invalid_names_are_one_line_each(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert "there is no folder" in refused(capsys, tmp_path / "none" / "my-fleet")
    assert "is not a folder" in refused(capsys, tmp_path / "file")
    assert "can't be a project's name" in refused(capsys, tmp_path / "a b")
    assert "Pulumi refuses" in refused(capsys, tmp_path / "fine", "--name", "pulumi.x")
    assert "needs a folder" in refused(capsys)
    assert "is not a folder's name" in refused(capsys, "a\0b")
    assert "exclude each other" in refused(capsys, "--upgrade", "--name", "x", tmp_path)
    assert tree(tmp_path) == {"file"}
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file"]


def test_folder_with_only_git_is_accepted_and_keeps_it(tmp_path):
    (tmp_path / "x" / ".git").mkdir(parents=True)
    assert main(["init", str(tmp_path / "x")]) == 0
    assert (tmp_path / "x" / ".git").is_dir()
    assert not [entry for entry in (tmp_path / "x").iterdir() if entry.name.startswith(".x-")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_read_only_folder_is_refused(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert "can't be written" in refused(capsys, tmp_path / "x")


def test_interrupted_init_leaves_no_files(tmp_path, monkeypatch, capsys):
    def full(*_args, **_more):
        raise OSError(28, "No space left on device")

    (tmp_path / "there").mkdir()
    monkeypatch.setattr("pathlib.Path.write_text", full)
    assert "No space left" in refused(capsys, tmp_path / "new")
    assert "No space left" in refused(capsys, tmp_path / "there")
    assert [str(entry.relative_to(tmp_path)) for entry in tmp_path.rglob("*")] == ["there"]


def older(project, path, text):
    """Change a file to the content that an older version of Flotilla wrote."""
    record = json.loads((project / RECORD).read_text())
    record["files"][path], record["flotilla"] = digest(text), "0.0.9"
    (project / RECORD).write_text(json.dumps(record))
    (project / path).write_text(text)


def test_upgrade_replaces_unchanged_files_and_shows_the_difference(project, capsys):
    older(project, "__main__.py", "print('old')\n")
    assert main(["init", "--upgrade", str(project), "--yes"]) == 0
    out = capsys.readouterr()
    assert "-print('old')" in out.out
    assert "updated  __main__.py" in out.out
    assert (project / "__main__.py").read_text() == project_files("my-fleet")["__main__.py"]
    assert json.loads((project / RECORD).read_text())["flotilla"] == __version__


def test_upgrade_keeps_files_that_the_user_changed_and_shows_the_new_content(project, capsys):
    older(project, "__main__.py", "print('old')\n")
    (project / "__main__.py").write_text("print('mine')\n")
    assert main(["init", "--upgrade", str(project), "--yes"]) == 0
    out = capsys.readouterr()
    assert "-print('mine')" in out.out
    assert "yours    __main__.py" in out.out
    assert (project / "__main__.py").read_text() == "print('mine')\n"
    assert main(["init", "--upgrade", str(project), "--yes"]) == 0
    again = capsys.readouterr()
    assert "kept     __main__.py" in again.out, "what was shown once is not shown again"
    assert "is up to date" in again.err + again.out


def test_upgrade_adds_new_files_and_does_not_restore_removed_ones(project, capsys):
    record = json.loads((project / RECORD).read_text())
    del record["files"]["policies/PulumiPolicy.yaml"]
    (project / RECORD).write_text(json.dumps({**record, "flotilla": "0.0.9"}))
    (project / "policies" / "PulumiPolicy.yaml").unlink()
    (project / "components" / "announcement.py").unlink()
    assert main(["init", "--upgrade", str(project), "--yes"]) == 0
    assert "added    policies/PulumiPolicy.yaml" in capsys.readouterr().out
    assert (project / "policies" / "PulumiPolicy.yaml").exists()
    assert not (project / "components" / "announcement.py").exists()


def test_upgrade_asks_for_confirmation(project, capsys):
    older(project, "__main__.py", "print('old')\n")
    assert main(["init", "--upgrade", str(project)]) == 2
    assert "give --yes; nothing was changed" in capsys.readouterr().err
    assert (project / "__main__.py").read_text() == "print('old')\n"


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": 2}', '{"format": 1, "flotilla": 1, "project": 2, "files": 3}']
)
def test_invalid_record_file_is_one_line(project, text, capsys):
    (project / RECORD).write_text(text)
    assert main(["init", "--upgrade", str(project)]) == 1
    assert "is not a record of `flotilla init`" in capsys.readouterr().err


def test_project_of_another_tool_is_not_upgraded(tmp_path, capsys):
    (tmp_path / "Pulumi.yaml").write_text("name: other\nruntime: nodejs\n")
    assert main(["init", "--upgrade", str(tmp_path), "--yes"]) == 1
    assert f"has no {RECORD}" in capsys.readouterr().err
    assert tree(tmp_path) == {"Pulumi.yaml"}


def test_project_made_by_pulumi_new_gets_its_schema_and_record_and_keeps_other_files(project, capsys):
    """`pulumi new` copies the template's folder, which has neither of them."""
    (project / RECORD).unlink()
    (project / "stacks" / "fleet.schema.json").unlink()
    (project / "Pulumi.yaml").write_text("name: my-fleet\nruntime: python\n")
    assert main(["init", "--upgrade", str(project), "--yes"]) == 0
    out = capsys.readouterr().out
    assert "added    stacks/fleet.schema.json" in out
    assert "yours    Pulumi.yaml" in out
    assert (project / "Pulumi.yaml").read_text() == "name: my-fleet\nruntime: python\n"
    assert json.loads((project / RECORD).read_text())["project"] == "my-fleet"


def test_json_output_is_one_document(tmp_path, capsys):
    assert main(["init", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["project"] == "x"
    assert main(["init", "--upgrade", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == []
    assert main(["init", "--template", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["template"] == str(TEMPLATE)


def test_an_upgrade_never_writes_outside_its_folder(project, tmp_path, capsys):
    """Others may be able to write the record file."""
    record = json.loads((project / RECORD).read_text())
    record["project"] = "../evil\n"
    (project / RECORD).write_text(json.dumps(record))
    assert main(["init", "--upgrade", str(project), "--yes"]) == 1
    assert "can't be a project's name" in capsys.readouterr().err
