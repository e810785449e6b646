"""Folders and patterns in `manifests`: the files that they match, and the error where they match none."""

import json
import os

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.deploy.pulumi_cli import contents_keyed
from flotilla.kube.reading import UnreadableFile
from flotilla.stack.files import ManifestFiles, manifest_files, read_manifests
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.workloads import listing
from flotilla.workloads.listing import files_of
from flotilla.workloads.objects import manifests_of
from tests.conftest import REPOSITORY


def config_map(name):
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})


@pytest.fixture
def apps(project):
    """A folder of manifests with the other files that users have there."""
    folder = project / "apps"
    for path in ("b.yaml", "a.yml", "c.json", "below/d.yaml", "below/deep/e.yaml", ".hidden/f.yaml"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        name = path.rpartition("/")[2][0]
        text = config_map(name)
        (folder / path).write_text(json.dumps(yaml.safe_load(text)) if path.endswith("json") else text)
    (folder / "README.md").write_text("no manifest")
    (folder / ".#b.yaml").symlink_to("an-editors-lock")
    (folder / "folder.yaml").mkdir()
    return folder


@pytest.mark.parametrize(
    ("entry", "files"),
    [
        ("apps", ["apps/a.yml", "apps/b.yaml", "apps/c.json"]),
        ("apps/", ["apps/a.yml", "apps/b.yaml", "apps/c.json"]),
        ("./apps", ["apps/a.yml", "apps/b.yaml", "apps/c.json"]),
        ("apps/*.yaml", ["apps/b.yaml"]),
        ("apps/*", ["apps/a.yml", "apps/b.yaml", "apps/c.json"]),
        ("apps/[ab].*", ["apps/a.yml", "apps/b.yaml"]),
        ("apps/?.json", ["apps/c.json"]),
        ("apps/*/*.yaml", ["apps/below/d.yaml"]),
        ("apps/**/*.yaml", ["apps/b.yaml", "apps/below/d.yaml", "apps/below/deep/e.yaml"]),
        ("a*/below/**", ["apps/below/d.yaml", "apps/below/deep/e.yaml"]),
        ("**/**/e.yaml", ["apps/below/deep/e.yaml"]),
        ("apps/README.md", ["apps/README.md"]),
        ("apps/nothing.yaml", ["apps/nothing.yaml"]),
    ],
)
def test_entry_matches_these_files(apps, project, entry, files):
    assert files_of(entry, project) == files
    assert files_of(str(project / entry), project) == [str(project / file) for file in files] or entry.startswith(".")


@pytest.mark.parametrize("nothing", ["# nothing yet\n", "", "---\n---\n", "{apiVersion: v1, kind: List, items: []}"])
def test_file_without_objects_is_skipped_in_a_folder_as_by_kubectl(apps, fleet_of, project, nothing):
    """Regression: an upstream folder with a file of comments was refused as a whole."""
    (apps / "new.yaml").write_text(nothing)
    (project / "void").mkdir()
    (project / "void" / "new.yaml").write_text(nothing)
    for entry in ("apps", "apps/*.yaml"):
        (workload,) = fleet_of({"image": None, "manifests": [entry]}).workloads
        assert "b" in names(read_manifests(workload, ManifestFiles(project)))
    with pytest.raises(
        ConfigError, match=r'manifests\[0\]: "apps/new.yaml" — contains no object; there would be nothing'
    ):
        fleet_of({"image": None, "manifests": ["apps/new.yaml"]})
    with pytest.raises(
        ConfigError, match=r"workloads\[0\].manifests: contain no object; there would be nothing to run"
    ):
        fleet_of({"image": None, "manifests": ["void"]})


def names(objects):
    return [obj["metadata"]["name"] for obj in objects]


def test_file_name_that_looks_like_a_pattern_matches_itself(apps, project):
    (apps / "[b].yaml").write_text(config_map("brackets"))
    assert files_of("apps/[b].yaml", project) == ["apps/[b].yaml"]


@pytest.mark.parametrize(
    ("entry", "said", "remedy"),
    [
        ("apps/*.txt", "apps/*.txt matches no .yaml, .yml or .json file", "`**` includes subfolders"),
        ("nowhere/*.yaml", "nowhere/*.yaml matches no", "correct it"),
        ("empty", "folder empty contains no .yaml, .yml or .json file", "put the manifests there"),
        ("over", "folder over contains no", "write over/**/*.yaml"),
    ],
)
def test_entry_without_a_match_is_one_problem(apps, project, entry, said, remedy):
    (project / "empty").mkdir()
    (project / "over" / "below").mkdir(parents=True)
    with pytest.raises(UnreadableFile) as refused:
        files_of(entry, project)
    assert said in refused.value.message
    assert remedy in refused.value.hint


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization", "Chart.yaml"])
@pytest.mark.parametrize("entry", ["apps", "apps/*", "**/*.yaml"])
def test_source_of_another_tool_is_reported_as_such(apps, project, name, entry):
    (apps / name).write_text("resources: []\n")
    with pytest.raises(UnreadableFile, match=f"it has a {name}") as refused:
        files_of(entry, project)
    assert ("`chart`" if name == "Chart.yaml" else "`kustomize`") in refused.value.hint


def test_links_within_the_project_are_followed_for_files_and_not_for_folders(apps, project):
    (project / "shared").mkdir()
    (project / "shared" / "x.yaml").write_text(config_map("x"))
    (apps / "link.yaml").symlink_to("../shared/x.yaml")
    (apps / "linked").symlink_to("../shared")
    (apps / "below" / "loop").symlink_to("..")
    assert "apps/link.yaml" in files_of("apps", project)
    assert not [file for file in files_of("apps/**", project) if "linked" in file or "loop" in file]


@pytest.mark.parametrize("entry", ["apps", "apps/*.yaml", "apps/**"])
def test_link_out_of_the_project_is_refused(apps, project, tmp_path_factory, entry):
    outside = tmp_path_factory.mktemp("outside") / "secret.yaml"
    outside.write_text(config_map("secret"))
    (apps / "link.yaml").symlink_to(outside)
    with pytest.raises(UnreadableFile, match=r"has link\.yaml, a link that leads out of the project's folder"):
        files_of(entry, project)
    assert files_of("apps/link.yaml", project) == ["apps/link.yaml"], "who names it means it"
    assert files_of(str(outside.parent), project) == [str(outside)], "and so does who names its folder"


def test_counts_and_sizes_are_bounded(apps, project, monkeypatch):
    for name, most, said in (
        ("MOST_FILES", 2, "names more than 2 files"),
        ("MOST_BYTES", 2**7, "files or 0 MiB"),
        ("MOST_SEEN", 3, "visits more than 3 files"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(listing, name, most)
            with pytest.raises(UnreadableFile, match=said):
                files_of("apps", project)


def workload(sections, *manifests):
    sections["workloads"] = [{"name": "web", "manifests": list(manifests), "placement": {"clusters": ["member1"]}}]
    return sections


def test_objects_are_in_the_order_of_paths_and_a_file_matched_twice_is_read_once(apps, project, sections):
    fleet = parse_fleet(workload(sections, "apps/**/e.yaml", "apps", "apps/b.yaml", "./apps/b.yaml"), base=project)
    files = ManifestFiles(project)
    assert [obj["metadata"]["name"] for obj in manifests_of(fleet.workloads[0], files)] == ["e", "a", "b", "c"]


def test_problem_names_its_file(apps, project, sections):
    (apps / "b.yaml").write_text("kind: ConfigMap\n")
    (apps / "d.yaml").write_text(yaml.safe_dump({**yaml.safe_load(config_map("a")), "data": {"x": 5}}))
    (apps / "e.yaml").write_text(config_map("a"))
    with pytest.raises(ConfigError) as refused:
        parse_fleet(workload(sections, "apps"), base=project)
    texts = sorted(str(problem) for problem in refused.value.problems)
    assert len(texts) == 3
    assert 'workloads[0].manifests[0]: "apps/b.yaml" — a document has no apiVersion, line 1' in texts[0]
    assert '"apps/d.yaml" — data.x is a number (5), line' in texts[1]
    assert '"apps/e.yaml" — ConfigMap a occurs twice, in apps/a.yml too' in texts[2]
    with pytest.raises(ConfigError, match=r'web.manifests\[0\]: "apps/b.yaml" — a document has no apiVersion'):
        read_manifests(parse_fleet(sections, base=project, files=False).workloads[0], ManifestFiles(project))


def test_special_files_in_a_folder_are_reported_and_not_opened(apps, project, sections):
    os.mkfifo(apps / "pipe.yaml")
    with pytest.raises(ConfigError, match=r"pipe.yaml can't be read: it is a pipe"):
        parse_fleet(workload(sections, "apps"), base=project)


def test_folder_is_listed_once_in_a_run(apps, project, sections):
    """A file that is added during a run must not be missing in the first half and present in the second."""
    files = ManifestFiles(project)
    fleet = parse_fleet(workload(sections, "apps"), base=project, manifests=files)
    (apps / "late.yaml").write_text(config_map("late"))
    assert [entry.file for entry in manifest_files(fleet.workloads[0].manifests, files)] == files.files("apps")
    assert "apps/late.yaml" not in files.files("apps")


def test_plan_digest_covers_the_files_of_a_folder(apps, project, sections):
    file = project / "Pulumi.dev.yaml"
    config = {f"flotilla:{key}": value for key, value in workload(sections, "apps", "none/*.yaml").items()}
    file.write_text(yaml.safe_dump({"config": config}))
    before = contents_keyed(file, project, b"key", manifests=True)
    assert {"apps/a.yml", "apps/b.yaml", "apps/c.json"} <= set(before)
    (apps / "new.yaml").write_text(config_map("new"))
    assert contents_keyed(file, project, b"key", manifests=True) != before


def test_validate_reports_it_in_one_line(apps, project, sections, capsys):
    (project / "stacks").mkdir()
    (project / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    config = {f"flotilla:{key}": value for key, value in workload(sections, "apps/*.yml", "none/").items()}
    (project / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    assert main(["validate", "-s", "dev", "-C", str(project)]) == 2
    said = capsys.readouterr().err
    assert "none can't be read: no such file or directory" in said
    assert said.count("workloads[0].manifests") == 1
