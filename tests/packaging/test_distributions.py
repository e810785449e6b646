"""The released distributions: reproducible, with packages of our own names only, and a wheel that works alone."""

import hashlib
import tarfile
import zipfile

import pytest

from tests.installed import Environment, build

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def two_builds(tmp_path_factory):
    return [build(tmp_path_factory.mktemp("dist"), "wheel", "sdist") for _ in range(2)]


def test_two_builds_of_one_commit_are_the_same_bytes(two_builds):
    first, second = ([(file.name, hashlib.sha256(file.read_bytes()).hexdigest()) for file in one] for one in two_builds)
    assert first == second


def test_the_wheel_installs_only_packages_with_flotilla_in_their_names(two_builds):
    """Earlier, the wheel installed a package `components`, a name that a user's project has, too."""
    wheel = next(file for file in two_builds[0] if file.suffix == ".whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {
        "flotilla",
        "flotilla_project",
        "flotilla_fleet-0.1.0.data",
        "flotilla_fleet-0.1.0.dist-info",
    }
    assert {
        "flotilla/scaffold/template/Pulumi.yaml",
        "flotilla/scaffold/template/.gitignore",
        "flotilla/scaffold/template/.github/workflows/fleet.yml",
        "flotilla_project/components/rollout.py",
        "flotilla_project/policies/rules/images.py",
    } <= set(names)


def test_the_sdist_has_the_files_that_builds_and_tests_need(two_builds):
    source = next(file for file in two_builds[0] if file.name.endswith(".tar.gz"))
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "components/own.py",
        "policies/rules/images.py",
        "ci/packaging/wheel/flotilla_project/py.typed",
    } <= names


def test_a_project_created_by_the_wheel_alone_passes_its_own_test(tmp_path):
    """The test also checks that a program can import any module of the wheel's second package first."""
    environment = Environment(tmp_path / "installed")
    environment.run("flotilla", "init", "my-fleet", cwd=tmp_path)
    project = tmp_path / "my-fleet"
    text = environment.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert "1 passed" in text
    named = (
        "from flotilla.providers.dynamic import _registered_provider as provider; "
        "print(type(provider('dynamic/flotilla:Rollout')).__module__)"
    )
    assert environment.run("python", "-c", named, cwd=project).strip() == "flotilla_project.components.rollout"
    environment.run("python", "-c", "import flotilla_project.policies.rules", cwd=project)
    share = environment.folder / "share"
    assert (share / "zsh/site-functions/_flotilla").read_text().startswith("#compdef flotilla\n")
    assert (share / "fish/vendor_completions.d/flotilla.fish").exists()
    bash = f"source {share}/bash-completion/completions/flotilla; COMP_LINE='flotilla sand' COMP_POINT=13 COMP_TYPE=9; "
    bash += "_python_argcomplete flotilla; echo ${COMPREPLY[*]}"
    assert environment.shell(bash, cwd=project).split() == ["sandbox"]
