"""What a proposal of an agent may name and hold: files of the project only, and no more than can be checked quickly.

A read-only agent must not learn what is in the operator's other files, nor which there are; and nothing that it sends
may keep the server busy for long.
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
"""Of one manifest file; all of a proposal's together may have four times as much."""
MOST_RENDERED = 64 * 2**20
"""Bytes of manifests times members: what a check renders."""
MOST_PATCHES = 50_000
"""Patches times members."""

_OUTSIDE = Problem(
    "",
    "is not a file of the project's folder that a proposal may name",
    "a proposal reads nothing else",
    "give a path relative to the project's folder, without '..', links that lead out of it, or hidden folders",
)
_FOLDERS = ("chart", "kustomization")
Named = tuple[str, str, str]
"""Where a path stands, what it is a path of (manifest, kubeconfig, chart, values, kustomization), and the path."""


class Unreadable(ValueError):
    """A text that is not read; the message is ours and quotes nothing of it."""


def read_yaml(text: str) -> list[Any]:
    """Return the documents of a text, read as stack files and manifests are, within the same bounds.

    Raises:
        Unreadable: it is not YAML as Kubernetes reads it, or beyond the bounds.
    """
    try:
        return yaml.load_all(text)
    except yaml.YamlError as error:  # its own words may quote the text, which may be a file with a secret in it
        where = f"line {error.place.line}: " if error.place else ""
        raise Unreadable(
            f"{where}is not YAML as Kubernetes reads it, or is too large ({yaml.MAX_NODES} values, {yaml.MAX_DEPTH} "
            f"levels and {yaml.MAX_DOCUMENTS} documents are the most)"
        ) from None


def named_files(fleet: Fleet) -> Iterator[Named]:
    """Return every path that a fleet names; of manifests it may be a folder's, or a pattern."""
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
    """Check that a proposal names only files of the project, besides those that the stack's own file names already.

    Args:
        fleet: what is proposed.
        own: kind and path of what the stack's own file names; a person put them there.
        project: the project's folder.
    """
    problems = []
    for where, kind, name in named_files(fleet):
        inside = _all_inside(name, project) if kind == "manifest" else _inside(kind, name, project)
        if (kind, name) not in own and not inside:
            problems.append(Problem(where, _OUTSIDE.rule, _OUTSIDE.consequence, _OUTSIDE.remedy))
    return problems


def _inside(kind: str, name: str, project: Path) -> bool:
    """Tell whether a path leads to a regular file of the project, a chart or kustomization to a folder.

    Absent ones count as such.
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
    """Tell whether a path is one within the project by its text alone."""
    path = PurePosixPath(name)
    if path.is_absolute() or name.startswith("~") or ".." in path.parts or "\0" in name:
        return False
    # The state with its passphrase, and version control, are in hidden folders.
    return kind == "kubeconfig" or not any(part.startswith(".") for part in path.parts)


def _all_inside(entry: str, project: Path) -> bool:
    """Tell whether an entry of `manifests` leads to regular files of the project only; absent ones count as such.

    What a folder or a pattern means is listed only where it begins within the project, and each file of it is judged as
    if it had been named: a listing goes through no link below that.
    """
    begin = PurePosixPath(*itertools.takewhile(lambda part: not is_pattern(part), PurePosixPath(entry).parts))
    # A chart, too, is a file or a folder.
    if not _may_be_named("manifest", entry) or not _inside("chart", str(begin), project):
        return False
    try:
        return all(_inside("manifest", file, project) for file in files_of(entry, project))
    except UnlistedFiles as error:
        return not error.outside


def check_manifests(fleet: Fleet, project: Path, files: ManifestFiles) -> list[Problem]:
    """Check that a proposal's manifests can be read within bounds, and its check done within some.

    Args:
        fleet: what is proposed; `check_named` has found nothing wrong with it.
        project: the project's folder.
        files: says which files its entries mean.
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
    for index, group in enumerate(fleet.objects):  # for no member
        total += _lengths(f"objects[{index}].manifests", group.manifests, project, files, problems)
    if total > 4 * MOST_BYTES or work > MOST_RENDERED:
        problems.append(_too_much("workloads", "manifests"))
    return problems


def check_rendered(fleet: Fleet, renderings: Renderings) -> list[Problem]:
    """Check that what a proposal's charts, kustomizations and own sources give is within the same bounds.

    Args:
        fleet: what is proposed.
        renderings: those that this machine keeps: a proposal starts no program, and what isn't kept is a problem.
    """
    problems: list[Problem] = []
    work = 0
    for index, workload in enumerate(fleet.workloads):
        if workload.is_rendered:
            try:
                work += len(json.dumps(renderings.of(workload).objects)) * max(1, len(fleet.placeable))
            except SourceError as error:
                # What else is wrong may quote a file, or say of one outside of the project that it is there.
                hooks = [one for one in error.problems if one.path == "chart.hooks"]
                problems += SourceError(hooks or [Problem(workload.source_key, *NOT_KEPT)]).of(f"workloads[{index}]")
    return [*problems, _too_much("workloads", "rendered objects")] if work > MOST_RENDERED else problems


def _lengths(
    owner: str, manifests: tuple[str, ...], project: Path, files: ManifestFiles, problems: list[Problem]
) -> int:
    """Return how long the manifest files of an entry are together; report those that can't be read."""
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
    """Read a regular file of bounded size.

    Raises:
        Unreadable: it isn't one, is too large, or no UTF-8.
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
