"""Check that a release has the same version everywhere and notes in the changelog.

release.py check v0.2.0        the tag, pyproject.toml, flotilla.__version__ and CHANGELOG.md agree
release.py notes v0.2.0        print the changelog's section of a version
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_VERSION = re.compile(r"v(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)")


def version_of(tag: str) -> str:
    """Return the version that a tag names.

    Raises:
        ValueError: the tag is not that of a version.
    """
    found = _VERSION.fullmatch(tag)
    if not found:
        raise ValueError(f"{tag!r} is not the tag of a version: write it as v1.2.3 or v1.2.3rc1")
    return found[1]


def notes(changelog: str, version: str) -> str:
    """Return the changelog's section of a version, without its heading.

    Raises:
        ValueError: there is no such section, or it is empty.
    """
    heading = re.compile(rf"^## \[{re.escape(version)}\].*$", re.MULTILINE)
    found = heading.search(changelog)
    if not found:
        raise ValueError(f"CHANGELOG.md has no section `## [{version}]`: rename `## [Unreleased]`, with the day")
    rest = changelog[found.end() :]
    following = re.search(r"^## ", rest, re.MULTILINE)
    text = rest[: following.start() if following else len(rest)].strip()
    if not text:
        raise ValueError(f"CHANGELOG.md has no notes in the section of {version}")
    return text + "\n"


def problems(root: Path, tag: str) -> list[str]:
    """Return the reasons why a tag can't be released, one line each."""
    try:
        version = version_of(tag)
    except ValueError as error:
        return [str(error)]
    found = []
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    module = re.search(r'^__version__ = "([^"]+)"', (root / "flotilla" / "__init__.py").read_text(), re.MULTILINE)
    for place, seen in (("pyproject.toml", project), ("flotilla/__init__.py", module[1] if module else "nothing")):
        if seen != version:
            found.append(f"{place} has {seen}, the tag has {version}: change one of them")
    try:
        notes((root / "CHANGELOG.md").read_text(), version)
    except ValueError as error:
        found.append(str(error))
    return found


def main(arguments: list[str] | None = None) -> int:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["check", "notes"])
    parser.add_argument("tag")
    options = parser.parse_args(arguments)
    found = problems(ROOT, options.tag)
    if found:
        sys.stderr.write("".join(f"error: {line}\n" for line in found))
        return 1
    if options.what == "notes":
        print(notes((ROOT / "CHANGELOG.md").read_text(), version_of(options.tag)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
