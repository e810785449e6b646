"""What a proposal of an agent may name and hold: files of the project only, and no more than can be checked quickly.

A read-only agent must not learn what is in the operator's other files, nor which there are; and nothing that it sends
may keep the server busy for long.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from flotilla.stack.fleet import Fleet
from flotilla.stack.problems import Problem

MOST_BYTES = 4 * 2**20
"""Of one manifest file; all of a proposal's together may have four times as much."""
MOST_NODES = 200_000
"""Values in one text, with what aliases repeat counted as often as it stands there."""
MOST_DEPTH = 100
MOST_DOCUMENTS = 2_000
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
Named = tuple[str, str, str]
"""Where a path stands, what it is a path of (manifest, kubeconfig, chart), and the path."""


class Unreadable(ValueError):
    """A text that is not read; the message is ours and quotes nothing of it."""


def read_yaml(text: str) -> list[Any]:
    """Return the documents of a text, within bounds.

    Raises:
        Unreadable: it is not YAML, or beyond the bounds.
    """
    try:
        _measure(text)
        documents = list(yaml.safe_load_all(text))
        json.dumps(documents, allow_nan=False)
    except Unreadable:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable(f"{f'line {mark.line + 1}: ' if mark else ''}is not valid YAML") from None
    except (ValueError, TypeError, RecursionError):
        raise Unreadable("holds something that JSON has no form for, such as a date: put it in quotes") from None
    return documents


def _measure(text: str) -> None:  # noqa: C901 - one branch to a kind of event
    """Count what a text is once its aliases are followed, without following them."""
    total, depth, documents = 0, 0, 0
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            sizes = {}
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise Unreadable("has an alias that leads to itself, or to nothing")
            total += sizes[event.anchor]
        elif isinstance(event, yaml.ScalarEvent):
            total += 1
            if event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            opened.append((event.anchor, total))
            total += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > MOST_NODES or depth > MOST_DEPTH or documents > MOST_DOCUMENTS:
            raise Unreadable(
                f"is too large: {MOST_NODES} values, {MOST_DEPTH} levels and {MOST_DOCUMENTS} documents are the most"
            )


def named_files(fleet: Fleet) -> Iterator[Named]:
    """Return every path that a fleet names."""
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
    for index, workload in enumerate(fleet.workloads):
        for number, name in enumerate(workload.manifests):
            yield f"workloads[{index}].manifests[{number}]", "manifest", name


def check_named(fleet: Fleet, own: set[tuple[str, str]], project: Path) -> list[Problem]:
    """Check that a proposal names only files of the project, besides those that the stack's own file names already.

    Args:
        fleet: what is proposed.
        own: kind and path of what the stack's own file names; a person put them there.
        project: the project's folder.
    """
    problems = []
    for where, kind, name in named_files(fleet):
        if (kind, name) not in own and not _inside(kind, name, project):
            problems.append(Problem(where, _OUTSIDE.rule, _OUTSIDE.consequence, _OUTSIDE.remedy))
    return problems


def _inside(kind: str, name: str, project: Path) -> bool:
    """Tell whether a path leads to a regular file (a chart: or a folder) of the project; absent ones count as such."""
    path = PurePosixPath(name)
    if path.is_absolute() or name.startswith("~") or ".." in path.parts or "\0" in name:
        return False
    if kind != "kubeconfig" and any(part.startswith(".") for part in path.parts):
        return False  # the state with its passphrase, and version control, are in hidden folders
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
    return stat.S_ISREG(mode) or (kind == "chart" and stat.S_ISDIR(mode))


def check_manifests(fleet: Fleet, project: Path) -> list[Problem]:
    """Check that a proposal's manifests can be read within bounds, and its check done within some."""
    problems: list[Problem] = []
    most = max(1, len(fleet.placeable))
    total = work = 0
    for index, workload in enumerate(fleet.workloads):
        if most * sum(len(override.patches) for override in workload.overrides) > MOST_PATCHES:
            problems.append(_too_much(f"workloads[{index}].overrides", "patches"))
        for number, name in enumerate(workload.manifests):
            where = f"workloads[{index}].manifests[{number}]"
            try:
                text = _text(project / Path(name).expanduser())
                read_yaml(text)
            except Unreadable as error:
                problems.append(Problem(where, str(error), "there would be nothing to run", "correct the file"))
                continue
            total += len(text)
            work += len(text) * most
    if total > 4 * MOST_BYTES or work > MOST_RENDERED:
        problems.append(_too_much("workloads", "manifests"))
    return problems


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
