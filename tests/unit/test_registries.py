"""No file of the repository names the host of a package registry: users may use another one."""

import re

import pytest

from tests.conftest import REPOSITORY

# The names are written in two parts, so that this file contains none of them.
HOSTS = [
    f"{name}.{domain}"
    for name, domain in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry.npmjs", "org"),
        ("npmjs", "com"),
        ("registry.yarnpkg", "com"),
        ("proxy.golang", "org"),
        ("sum.golang", "org"),
        ("goproxy", "io"),
        ("crates", "io"),
        ("rubygems", "org"),
        ("anaconda", "org"),
        ("repo.maven.apache", "org"),
    )
]
HOST = re.compile("|".join(map(re.escape, HOSTS)), re.IGNORECASE)
EXCEPTIONS: frozenset[str] = frozenset()
"""Files, relative to the repository, in which a host has to stand."""
HIDDEN = {".ci", ".dockerignore", ".github", ".gitignore"}
NOT_OURS = {"dist", "build", "__pycache__"}


def files():
    """Return the files of the repository, without files that tools create there."""
    top = [one for one in REPOSITORY.iterdir() if not one.name.startswith(".") or one.name in HIDDEN]
    every = [file for one in top for file in (one.rglob("*") if one.is_dir() else (one,))]
    return [file for file in every if file.is_file() and not NOT_OURS & set(file.relative_to(REPOSITORY).parts)]


def test_no_file_names_the_host_of_a_package_registry():
    listed = files()
    assert len(listed) > 500, "the repository is there"
    found = [
        str(file.relative_to(REPOSITORY)) for file in listed if HOST.search(file.read_bytes().decode(errors="replace"))
    ]
    assert sorted(set(found) - EXCEPTIONS) == []


@pytest.mark.parametrize("text", [f"https://{host}/x" for host in HOSTS])
def test_each_registry_host_would_be_found(text):
    assert HOST.search(text)
