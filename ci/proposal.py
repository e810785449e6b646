"""Copy a pull request's workloads into a checkout of the base branch, as data, so that its plan can be shown.

    proposal.py --from FOLDER --stack NAME

A job that previews against the real fleet has the stack's passphrase, so it must not run anything from the pull
request: no program, no Makefile, no step. FOLDER is a checkout of the pull request; the current folder is a checkout of
the base branch.

This program copies `flotilla:workloads` of the stack file and the manifests that it names, also by folders and
patterns; files of these folders and patterns that the pull request does not have are removed here. It refuses changes
of all other keys of the stack file, because they decide which cluster gets which credentials, and a kubeconfig can name
a program to run. It also refuses changes of charts, kustomizations and own sources, because programs render them and
download what they name.
"""

from __future__ import annotations

import argparse
import itertools
import stat
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube.reading import UnreadableFile
from flotilla.stack.parsing import parse
from flotilla.stack.workloads import Workload
from flotilla.state.config import Project
from flotilla.untrusted import one_line
from flotilla.workloads import sops
from flotilla.workloads.listing import ENDINGS, files_of, is_pattern
from flotilla.workloads.sources.renderings import read_by

_WORKLOADS = "flotilla:workloads"
_RENDERED = ("chart", "kustomize", "source")
_LARGEST = 1 << 20
_MOST_FILES = 500
# Folders and files of the base branch's code and of the job itself.
_PROTECTED = frozenset({"stacks", "policies", "ci", "flotilla", "components", "tests", "Pulumi.yaml"})


class Refused(Exception):
    """The pull request has a change that this program does not copy."""


def take(proposal: Path, project: Path, stack: str) -> list[str]:
    """Copy the workloads and manifests; return the paths of written and removed files, relative to the project.

    Raises:
        Refused: the pull request changes something else, or a file is not a regular one in the project; nothing was
            written.
    """
    stack_file = Project.load(project).stack_file(stack).relative_to(project)
    document = _read(project / stack_file)
    proposed = _read(_plain(proposal, stack_file.as_posix()))
    others = _differing(document, proposed)
    if others:
        raise Refused(
            f"{stack_file} changes {', '.join(others)}, which decides which cluster gets which credentials: "
            "only workloads of a pull request are previewed; review the rest in its diff"
        )
    workloads = (proposed.get("config") or {}).get(_WORKLOADS)
    rendered = _rendered_differently((document.get("config") or {}).get(_WORKLOADS), workloads)
    if rendered:
        raise Refused(
            f"{stack_file} changes the chart, kustomization or source of {', '.join(rendered)}, which "
            "programs of this job would fetch, render or run: review it in its diff"
        )
    entries = _entries(workloads)
    texts = {path: _manifest(proposal, path) for path in _files(entries, proposal)}
    gone = _no_longer_there(entries, project) - set(texts)
    _refuse_rendered(workloads, project, {**dict.fromkeys(gone), **texts})
    config = {key: value for key, value in (document.get("config") or {}).items() if key != _WORKLOADS}
    if workloads is not None:
        config[_WORKLOADS] = workloads
    texts[stack_file.as_posix()] = yaml.safe_dump({**document, "config": config}, sort_keys=False, allow_unicode=True)
    for path in (*texts, *gone):
        _no_link(project, path)
    for path, text in texts.items():
        _refuse_key_services(project / path, path, text)
    for path, text in texts.items():
        file = project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, text, mode=0o644)
    for path in gone:
        (project / path).unlink()
    return sorted([*texts, *gone])


def _read(file: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        raise Refused(f"{file.name} can't be read as YAML") from None
    if not isinstance(document, dict) or not isinstance(document.get("config") or {}, dict):
        raise Refused(f"{file.name} is not a stack file")
    return document


def _differing(base: dict[str, Any], proposed: dict[str, Any]) -> list[str]:
    """Return the keys that differ, except workloads."""
    parts = [({k: v for k, v in one.items() if k != "config"}, one.get("config") or {}) for one in (base, proposed)]
    found = set()
    for old, new in zip(parts[0], parts[1], strict=True):
        found |= {str(key) for key in {*old, *new} if key != _WORKLOADS and old.get(key) != new.get(key)}
    return sorted(one_line(key) for key in found)


def _rendered_differently(base: Any, proposed: Any) -> list[str]:
    """Return the names of proposed workloads whose chart or kustomization differs from the base branch's."""
    known = [_rendering(workload) for workload in base if isinstance(workload, dict)] if isinstance(base, list) else []
    listed = [one for one in proposed if isinstance(one, dict)] if isinstance(proposed, list) else []
    return [
        one_line(str(workload.get("name")))
        for workload in listed
        if any(key in workload for key in _RENDERED) and _rendering(workload) not in known
    ]


def _refuse_rendered(workloads: Any, project: Path, changes: dict[str, str | None]) -> None:
    """Refuse manifests that are files of a chart, a kustomization or a source of the base branch.

    Args:
        workloads: the proposed workloads; those that are not valid are never rendered.
        project: the checkout of the base branch.
        changes: new texts by path; None for a file that is removed.

    Raises:
        Refused: there is such a manifest.
    """
    for raw in workloads if isinstance(workloads, list) else []:
        workload = parse(Workload, raw, "", [])
        try:
            places = read_by(workload, project) if workload else []
        except FlotillaError as error:
            raise Refused(one_line(error.message)) from None
        for path, text in changes.items():
            file = (project / path).resolve()
            same = text is not None and file.is_file() and file.read_bytes() == text.encode()
            if not same and any(file.is_relative_to(place) for place in places):
                raise Refused(
                    f"manifest {one_line(path)!r} is a file from which workload {raw['name']} is rendered: a program "
                    "of this job would run it; review it in its diff"
                )


def _rendering(workload: dict[str, Any]) -> list[Any]:
    return [workload.get(key) for key in (*_RENDERED, "name", "formerly", "namespace")]


def _entries(workloads: Any) -> list[str]:
    """Return all entries of `manifests` of workloads. Entries that are not valid are left to `flotilla validate`.

    Raises:
        Refused: an entry does not start within the project.
    """
    found: set[str] = set()
    for workload in workloads if isinstance(workloads, list) else []:
        paths = workload.get("manifests") if isinstance(workload, dict) else None
        found |= {path for path in (paths if isinstance(paths, list) else []) if isinstance(path, str)}
    for path in found:
        parts = PurePosixPath(path).parts
        if path.startswith(("/", "~")) or ".." in parts or "\\" in path or not parts or any(p[0] == "." for p in parts):
            raise Refused(f"manifest {one_line(path)!r} is not a path inside the project")
    return sorted(found)


def _files(entries: list[str], proposal: Path) -> list[str]:
    """Return the files that entries mean in a checkout.

    Raises:
        Refused: an entry means no file, there are too many files, or a path has a symbolic link.
    """
    found: set[str] = set()
    for entry in entries:
        begin = itertools.takewhile(lambda part: not is_pattern(part), PurePosixPath(entry).parts)
        _no_link(proposal, str(PurePosixPath(*begin)))
        try:
            found.update(files_of(entry, proposal))
        except UnreadableFile as error:
            raise Refused(f"manifests: {one_line(error.message)}") from None
    if len(found) > _MOST_FILES:
        raise Refused(f"the workloads name {len(found)} manifests, more than {_MOST_FILES}")
    return sorted(found)


def _no_longer_there(entries: list[str], project: Path) -> set[str]:
    """Return the files of this checkout in folders and patterns, because the pull request may have removed some."""
    found: set[str] = set()
    for entry in entries:
        with suppress(UnreadableFile):  # the base branch has no such files
            found.update(files_of(entry, project))
    return {path for path in found - set(entries) if PurePosixPath(path).parts[0] not in _PROTECTED}


def _refuse_key_services(here: Path, path: str, text: str) -> None:
    """Refuse a changed file that is encrypted for a key service.

    `sops` would send requests, with this job's credentials, to the service that the file names.

    Raises:
        Refused: the file is such a file.
    """
    services = sops.services(sops.documents_of(text) or [])
    if services and not (here.is_file() and here.read_text() == text):
        raise Refused(
            f"{one_line(path)} is encrypted with SOPS for {one_line(', '.join(services))}: a preview would ask a "
            "service that the pull request names; review it in its diff"
        )


def _manifest(proposal: Path, path: str) -> str:
    if PurePosixPath(path).parts[0] in _PROTECTED or not path.endswith(ENDINGS):
        raise Refused(f"manifest {one_line(path)!r} is not a YAML or JSON file beside the project's own folders")
    try:
        return _plain(proposal, path).read_text()
    except (OSError, ValueError):
        raise Refused(f"manifest {one_line(path)!r} can't be read as text") from None


def _plain(folder: Path, path: str) -> Path:
    """Return a file's path, if it is a regular file, has no symbolic link in its path, and is not too large."""
    _no_link(folder, path)
    file = folder / path
    try:
        status = file.lstat()
    except OSError:
        raise Refused(f"{one_line(path)} isn't there") from None
    if not stat.S_ISREG(status.st_mode):
        raise Refused(f"{one_line(path)} is not a regular file")
    if status.st_size > _LARGEST:
        raise Refused(f"{one_line(path)} has {status.st_size} bytes, more than {_LARGEST}")
    return file


def _no_link(folder: Path, path: str) -> None:
    for part in [folder / path, *(folder / path).parents]:
        if part == folder:
            return
        if part.is_symlink():
            raise Refused(f"{one_line(path)} is reached by a symbolic link")


def main(arguments: list[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="proposal", type=Path, required=True, help="a checkout of the pull request")
    parser.add_argument("--stack", required=True)
    options = parser.parse_args(arguments)
    try:
        for path in take(options.proposal, Path.cwd(), options.stack):
            print(f"copied: {one_line(path)}")
    except Refused as refused:
        sys.stderr.write(f"error: {refused}; nothing was copied\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
