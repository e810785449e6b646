"""Limits the files that an agent's proposal may name, and their size.

A read-only agent must not learn which other files the operator has, or what is in them. And a proposal must not keep
the server busy for long. So a proposal may name only files of the project, and only as much as can be checked quickly.
"""

from __future__ import annotations

import itertools
import json
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from flotilla.kube import yaml
from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.stack.problems import Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.listing import UnlistedFiles, files_of, is_pattern
from flotilla.workloads.sources.rendering import NOT_KEPT
from flotilla.workloads.sources.renderings import Renderings
from flotilla.workloads.sources.shape import SourceError

MOST_BYTES = 4 * 2**20
"""The limit for one manifest file. All manifest files of a proposal together may have four times as many bytes."""
MOST_RENDERED = 64 * 2**20
"""The limit for the bytes of manifests times the number of members: what a check has to render."""
MOST_PATCHES = 50_000
"""The limit for the number of patches times the number of members."""

_OUTSIDE = Problem(
    "",
    "is not a file of the project's folder that a proposal may name",
    "files outside of the project are not read for a proposal",
    "give a path relative to the project's folder, without '..', links that lead out of it, or hidden folders",
)
_FOLDERS = ("chart", "kustomization")
Named = tuple[str, str, str]
"""A path's key in the stack file, its kind (manifest, kubeconfig, chart, values, kustomization), and the path."""


class Unreadable(ValueError):
    """A text that can't be read. The message quotes nothing from the text."""


def read_yaml(text: str) -> list[Any]:
    """Return the YAML documents of a text, with the same limits as for stack files and manifests.

    Raises:
        Unreadable: the text is not YAML as Kubernetes reads it, or exceeds the limits.
    """
    try:
        return yaml.load_all(text)
    except yaml.YamlError as error:  # its message may quote the text, which may contain a secret
        where = f"line {error.place.line}: " if error.place else ""
        raise Unreadable(
            f"{where}is not YAML as Kubernetes reads it, or is too large (at most {yaml.MAX_NODES} values, "
            f"{yaml.MAX_DEPTH} levels and {yaml.MAX_DOCUMENTS} documents)"
        ) from None


def named_files(fleet: Fleet) -> Iterator[Named]:
    """Return every path that a fleet names. A path of manifests may also be a folder's, or a pattern."""
    plane = fleet.control_plane
    if plane.kubeconfig and plane.kubeconfig.path:
        yield "controlPlane.kubeconfig", "kubeconfig", plane.kubeconfig.path
    if plane.helm:
        if plane.helm.host.path:
            yield "controlPlane.helm.host", "kubeconfig", plane.helm.host.path
        if plane.helm.chart.path:
            yield "controlPlane.helm.chart.path", "chart", plane.helm.chart.path
    for index, member in enumerate(fleet.members):
        if member.kubeconfig.path:
            yield f"members[{index}].kubeconfig", "kubeconfig", member.kubeconfig.path
    listed = [(f"workloads[{index}]", workload) for index, workload in enumerate(fleet.workloads)]
    yield from ((f"{owner}.{where}", kind, name) for owner, one in listed for where, kind, name in _files_of(one))
    groups = [(f"objects[{index}]", group.manifests) for index, group in enumerate(fleet.objects)]
    yield from ((f"{owner}.{where}", kind, name) for owner, names in groups for where, kind, name in _manifests(names))


def _manifests(names: tuple[str, ...]) -> Iterator[Named]:
    return ((f"manifests[{number}]", "manifest", name) for number, name in enumerate(names))


def _files_of(workload: Workload) -> Iterator[Named]:
    yield from _manifests(workload.manifests)
    yield from ((f"policies[{number}]", "manifest", name) for number, name in enumerate(workload.policies))
    if workload.chart and workload.chart.path:
        yield "chart.path", "chart", workload.chart.path
    for number, name in enumerate(workload.chart.values_files if workload.chart else ()):
        yield f"chart.valuesFiles[{number}]", "values", name
    if workload.kustomize:
        yield "kustomize.path", "kustomization", workload.kustomize.path


def check_named(fleet: Fleet, own: set[tuple[str, str]], project: Path) -> list[Problem]:
    """Check that a proposal names only files of the project, and files that the stack's own file names.

    Args:
        fleet: the proposed fleet.
        own: the kinds and paths in the stack's own file, which a person has written.
        project: the project's folder.
    """
    problems = []
    for where, kind, name in named_files(fleet):
        inside = _all_inside(name, project) if kind == "manifest" else _inside(kind, name, project)
        if (kind, name) not in own and not inside:
            problems.append(Problem(where, _OUTSIDE.rule, _OUTSIDE.consequence, _OUTSIDE.remedy))
    return problems


def _inside(kind: str, name: str, project: Path) -> bool:
    """Return whether a path is that of a regular file of the project; for a chart or kustomization also of a folder.

    A path at which there is nothing counts as such a path.
    """
    if not _may_be_named(kind, name):
        return False
    try:
        base = project.resolve()
        found = (base / name).resolve()
        if not found.is_relative_to(base):
            return False
        mode = found.stat().st_mode
    except FileNotFoundError:
        return True
    except (OSError, RuntimeError, ValueError):
        return False
    return stat.S_ISREG(mode) or (kind in _FOLDERS and stat.S_ISDIR(mode))


def _may_be_named(kind: str, name: str) -> bool:
    """Return whether the text of a path stays within the project; the file system is not read."""
    path = PurePosixPath(name)
    if path.is_absolute() or name.startswith("~") or ".." in path.parts or "\0" in name:
        return False
    # The state with its passphrase and the version control have hidden folders.
    return kind == "kubeconfig" or not any(part.startswith(".") for part in path.parts)


def _all_inside(entry: str, project: Path) -> bool:
    """Return whether an entry of `manifests` means only regular files of the project; missing files count as such.

    A folder or a pattern is only listed if its beginning is within the project. Each listed file is checked like a
    named one; the listing follows no links.
    """
    begin = PurePosixPath(*itertools.takewhile(lambda part: not is_pattern(part), PurePosixPath(entry).parts))
    # "chart", because a chart may be a file or a folder, too.
    if not _may_be_named("manifest", entry) or not _inside("chart", str(begin), project):
        return False
    try:
        return all(_inside("manifest", file, project) for file in files_of(entry, project))
    except UnlistedFiles as error:
        return not error.outside


def check_manifests(fleet: Fleet, project: Path, files: ManifestFiles) -> list[Problem]:
    """Check that a proposal's manifests can be read within the limits, and that all checks of it stay quick.

    Args:
        fleet: the proposed fleet, which has passed `check_named`.
        project: the project's folder.
        files: lists the files of the proposal's entries.
    """
    problems: list[Problem] = []
    most = max(1, len(fleet.placeable))
    total = work = 0
    for index, workload in enumerate(fleet.workloads):
        patches = [override.patches for override in workload.overrides]
        patches += [field.patches for override in workload.overrides for field in override.fields]
        if most * sum(len(listed) for listed in patches) > MOST_PATCHES:
            problems.append(_too_much(f"workloads[{index}].overrides", "patches"))
        lengths = _lengths(f"workloads[{index}].manifests", workload.manifests, project, files, problems)
        lengths += _lengths(f"workloads[{index}].policies", workload.policies, project, files, problems)
        total += lengths
        work += lengths * most
    for index, group in enumerate(fleet.objects):  # objects of the control plane, which go to no member
        total += _lengths(f"objects[{index}].manifests", group.manifests, project, files, problems)
    if total > 4 * MOST_BYTES or work > MOST_RENDERED:
        problems.append(_too_much("workloads", "manifests"))
    return problems


def check_rendered(fleet: Fleet, renderings: Renderings) -> list[Problem]:
    """Check that objects rendered from a proposal's charts, kustomizations and own sources stay within the limits.

    Args:
        fleet: the proposed fleet.
        renderings: the cache of rendered objects. A check of a proposal starts no program, so an entry that is not in
            the cache is a problem.
    """
    problems: list[Problem] = []
    work = 0
    for index, workload in enumerate(fleet.workloads):
        if workload.is_rendered:
            try:
                work += len(json.dumps(renderings.of(workload).objects)) * max(1, len(fleet.placeable))
            except SourceError as error:
                # Other problems may quote a file, or show that a file outside of the project exists.
                hooks = [one for one in error.problems if one.path == "chart.hooks"]
                problems += SourceError(hooks or [Problem(workload.source_key, *NOT_KEPT)]).of(f"workloads[{index}]")
    return [*problems, _too_much("workloads", "rendered objects")] if work > MOST_RENDERED else problems


def _lengths(
    owner: str, manifests: tuple[str, ...], project: Path, files: ManifestFiles, problems: list[Problem]
) -> int:
    """Return the length of all manifest files of an entry together; add a problem for each unreadable one."""
    total = 0
    for entry in manifest_files(manifests, files):
        where = f"{owner}[{entry.position}]"
        why, value = "there would be nothing to run", f'"{entry.file}"'
        if entry.error:
            problems.append(Problem(where, entry.error.message, why, entry.error.hint, value))
            continue
        try:
            text = _text(project / Path(entry.file).expanduser())
            read_yaml(text)
        except Unreadable as error:
            problems.append(Problem(where, str(error), why, "correct the file", value))
            continue
        total += len(text)
    return total


def _text(file: Path) -> str:
    """Return the text of a regular file of limited size.

    Raises:
        Unreadable: the file is not a regular one, is too large, or is not UTF-8.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise Unreadable("is not a regular file")
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise Unreadable(f"has more than {MOST_BYTES} bytes")
        return content.decode()
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8 text") from None
    except OSError:
        raise Unreadable("can't be read") from None


def _too_much(where: str, what: str) -> Problem:
    return Problem(
        where, f"has too many or too large {what} for this many members", "a check would take minutes", "propose a part"
    )
