"""The release process: the workflow's permissions and pins, the changelog's section, the completions, the image."""

import re

import pytest
import yaml

from ci.packaging import completions, release
from flotilla import __version__
from flotilla.cli.verbs import HELP
from tests.conftest import REPOSITORY

WORKFLOW = REPOSITORY / ".github" / "workflows" / "release.yml"
CHECKS = WORKFLOW.with_name("checks.yml")
TEMPLATE = REPOSITORY / "flotilla" / "scaffold" / "template" / ".github" / "workflows" / "fleet.yml"
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n- next\n\n## [1.2.0] - 2026-01-02\n\n- new\n\n## [1.1.0] - 2026-01-01\n"


@pytest.mark.parametrize("path", [WORKFLOW, CHECKS, TEMPLATE], ids=lambda path: path.name)
def test_workflows_pin_their_actions_and_have_no_default_permissions(path):
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if "uses" in step:
                assert re.search(r"@[0-9a-f]{40}$", step["uses"]), step["uses"]
            assert "secrets." not in str(step), "no key that lasts"


def test_publishing_job_runs_no_code_of_the_repository():
    """A job that may publish gets what the other job built and attested; it has no checkout."""
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert jobs["pypi"]["environment"] == "pypi"
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    assert not [step for step in jobs["pypi"]["steps"] if "checkout" in step["uses"] or "run" in step]
    assert "contents: write" not in str(jobs["build"])


def test_changelog_section_becomes_the_release_notes():
    assert release.notes(CHANGELOG, "1.2.0") == "- new\n"
    with pytest.raises(ValueError, match="has no section"):
        release.notes(CHANGELOG, "1.3.0")
    with pytest.raises(ValueError, match="has no notes in the section of"):
        release.notes(CHANGELOG, "1.1.0")


def test_tag_that_differs_from_the_version_is_refused(tmp_path):
    (tmp_path / "flotilla").mkdir()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "flotilla" / "__init__.py").write_text('__version__ = "1.1.9"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    assert release.problems(tmp_path, "v1.2.0") == [
        "flotilla/__init__.py has 1.1.9, the tag has 1.2.0: change one of them"
    ]
    assert len(release.problems(tmp_path, "v1.3.0")) == 3
    assert "not the tag of a version" in release.problems(tmp_path, "1.2.0")[0]


def test_both_versions_of_the_project_are_equal():
    others = [line for line in release.problems(REPOSITORY, f"v{__version__}") if "CHANGELOG" not in line]
    assert others == []


def test_committed_completions_equal_the_output_of_the_verb():
    """After an update of argcomplete: `make completions`."""
    assert {file: (completions.FOLDER / file).read_text() for file in completions.FILES.values()} == completions.made()
    assert "init" in HELP


def test_image_has_pinned_packages_and_runs_without_privileges():
    text = (REPOSITORY / "ci" / "packaging" / "Containerfile").read_text()
    joined = text.replace("\\\n", " ")
    instructions = [line.split()[0] for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    known = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "ENTRYPOINT", "CMD"}
    assert set(instructions) <= known
    final = joined.rpartition("FROM ")[2]
    assert "\nUSER 1000\n" in final
    installs = [part for part in joined.split("&&") if "pip install" in part]
    assert all("--require-hashes" in part or "--no-deps" in part for part in installs)
    for source in re.findall(r"--requirement (\S+)", text):
        assert "--hash=sha256:" in (REPOSITORY / source).read_text()


def test_image_has_the_same_tool_versions_as_the_tests():
    def pins(file):
        return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", (REPOSITORY / file).read_text(), re.MULTILINE))

    tested, shipped = pins("requirements.lock"), pins("ci/packaging/requirements.txt")
    assert shipped.items() <= tested.items(), "`make lock`"
    assert "pulumi" in shipped
