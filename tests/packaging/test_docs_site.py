"""The documentation's site: it builds without a warning, and a page with a broken link fails the build."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(300)
REPOSITORY_URL = "https://git.example/flotilla"


@pytest.fixture(scope="module")
def sphinx():
    """Return the command that runs sphinx-build with the locked tools."""
    uv = shutil.which("uv", path=str(REPOSITORY / ".venv" / "bin")) or shutil.which("uv")
    if uv is None:
        pytest.skip("uv is missing, which runs the documentation's tools")
    tools = ["--with-requirements", str(REPOSITORY / "ci" / "packaging" / "docs.txt"), "--from", "sphinx"]
    command = [uv, "tool", "run", "--quiet", *tools, "sphinx-build"]
    tried = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"the documentation's tools are not installed, and PyPI didn't give them: {tried.stderr.strip()}")
    return command


def build(sphinx, root, target, **variables):
    """Build a site as `make docs` does; return the completed process."""
    options = ["--conf-dir", root / "docs" / "site", "--builder", "html", "--doctree-dir", target.parent / "trees"]
    options += ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "2"]
    return subprocess.run(
        [*sphinx, *options, root, target], capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )


@pytest.fixture(scope="module")
def site(sphinx, tmp_path_factory):
    target = tmp_path_factory.mktemp("docs") / "site"
    built = build(sphinx, REPOSITORY, target, REPOSITORY_URL=REPOSITORY_URL)
    assert (built.returncode, built.stderr) == (0, "")
    return target


def test_the_site_has_every_page_in_its_navigation(site):
    pages = [path.relative_to(REPOSITORY).with_suffix("") for path in (REPOSITORY / "docs").rglob("*.md")]
    pages.remove(Path("docs/decisions/README"))  # a page doesn't link to itself
    assert [page for page in pages if not (site / f"{page}.html").exists()] == []
    for page in pages:
        beside = (site / page.parent / "README.html") if page.parent.name == "decisions" else site / "README.html"
        assert re.search(rf'href="(?:{page}|{page.name})\.html"', beside.read_text()), page


def test_the_site_starts_with_the_readme_and_shows_its_version(site):
    assert 'url=README.html"' in (site / "index.html").read_text()
    version = re.search(r'^version = "(.+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)[1]
    assert f"Flotilla {version}" in (site / "README.html").read_text()


def test_the_site_has_edit_links_search_and_both_themes(site):
    page = (site / "docs" / "reference" / "exit-codes.html").read_text()
    assert f"{REPOSITORY_URL}/edit/main/docs/reference/exit-codes.md" in page or f"{REPOSITORY_URL}/blob/main" in page
    assert 'class="theme-toggle"' in page
    assert (site / "searchindex.js").exists()


@pytest.fixture
def small_repository(tmp_path):
    """A repository with the site's configuration, a list of pages, and one page, which the test overwrites."""
    root = tmp_path / "repository"
    shutil.copytree(REPOSITORY / "docs" / "site", root / "docs" / "site", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    for name in ("README.md", "CHANGELOG.md", "ci/README.md", "docs/guides/page.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"# {Path(name).stem}\n")
    (root / "docs" / "README.md").write_text(
        "# Index\n\n- [overview](README.md)\n\n## Guides\n\n- [page](guides/page.md)\n"
    )
    (root / "stacks").mkdir()
    (root / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    return root


@pytest.mark.parametrize("link", ["nothing.md", "../README.md#nowhere", "#nowhere", "../../stacks/nothing.yaml"])
def test_a_broken_link_fails_the_build(sphinx, small_repository, link):
    (small_repository / "docs" / "guides" / "page.md").write_text(f"# Page\n\nSee [this]({link}).\n")
    built = build(sphinx, small_repository, small_repository / "site")
    assert built.returncode == 1
    assert "page.md:3: WARNING" in built.stderr


def test_a_page_that_loads_from_another_server_fails_the_build(sphinx, small_repository):
    (small_repository / "docs" / "guides" / "page.md").write_text(
        "# Page\n\n![picture](https://cdn.example/picture.svg)\n"
    )
    built = build(sphinx, small_repository, small_repository / "site")
    assert built.returncode != 0
    assert "page.html loads from another server" in built.stderr


def test_links_to_files_and_folders_lead_to_the_repository(sphinx, small_repository):
    text = "# Page\n\n[file](../../stacks/Pulumi.dev.yaml), [folder](../../stacks/), [a page](../README.md#guides).\n"
    (small_repository / "docs" / "guides" / "page.md").write_text(text)
    built = build(sphinx, small_repository, small_repository / "site", REPOSITORY_URL=REPOSITORY_URL)
    assert (built.returncode, built.stderr) == (0, "")
    links = re.findall(r'href="([^"]+)"', (small_repository / "site" / "docs" / "guides" / "page.html").read_text())
    assert {f"{REPOSITORY_URL}/blob/main/stacks/Pulumi.dev.yaml", f"{REPOSITORY_URL}/tree/main/stacks"} <= set(links)
    assert "../README.html#guides" in links


def test_a_linked_file_is_copied_into_the_site_without_a_repository_address(sphinx, small_repository):
    page = small_repository / "docs" / "guides" / "page.md"
    page.write_text("# Page\n\nSee [a file](../../stacks/Pulumi.dev.yaml) and [a folder](../../stacks/).\n")
    built = build(sphinx, small_repository, small_repository / "site", REPOSITORY_URL="")
    assert (built.returncode, built.stderr) == (0, "")
    assert [path.name for path in (small_repository / "site" / "_downloads").rglob("*.yaml")] == ["Pulumi.dev.yaml"]
