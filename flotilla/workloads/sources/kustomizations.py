"""Kustomizations as a source: `kustomize build` or `kubectl kustomize`, without plugins and without helm."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla.counts import first_of
from flotilla.kube import yaml
from flotilla.kube.reading import UnreadableFile, located, read_text
from flotilla.stack.problems import Problem
from flotilla.stack.sources import INSTALL_KUSTOMIZE, Kustomization
from flotilla.workloads.sources.inputs import MOST_FILES, TooMuch, digest_of, digest_of_file, digest_of_folder
from flotilla.workloads.sources.parts import objects_of
from flotilla.workloads.sources.programs import Tool, shown
from flotilla.workloads.sources.rendering import Recipe, Session
from flotilla.workloads.sources.shape import NOTHING, Sourced, SourceError

_KEY = "kustomize"
_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
# Keys that refer to other places: folders, and addresses of files and repositories.
_ELSEWHERE = ("resources", "bases", "components", "crds", "transformers", "generators", "validators", "configurations")
_PINNED = re.compile(r"[?&](ref|version)=[^&]")
_MOST_FOLDERS = 200
_SHOWN = 5


@dataclass
class _Tree:
    """The inputs of a kustomization."""

    folders: dict[Path, None] = field(default_factory=dict)
    """Its folder, and the folders to which it refers, directly or indirectly."""
    files: dict[Path, None] = field(default_factory=dict)
    """Files outside of these folders."""
    remote: dict[str, None] = field(default_factory=dict)
    """References to other machines, as they are written."""


def kustomize_recipe(kustomization: Kustomization, *, base: Path) -> Recipe:
    """Return the recipe for building a kustomization.

    The result depends on all files in its folder and in each folder to which it refers, directly or indirectly: by
    default kustomize reads nothing else of this machine.

    Args:
        kustomization: the kustomization in the stack file.
        base: the project's folder, to which the path is relative.

    Raises:
        SourceError: the kustomization, or a file that it uses, can't be read.
    """
    where, seen = f"{_KEY}.path", f'"{kustomization.path}"'
    try:
        folder = _there(located(kustomization.path, base))
        if folder is None or _file_of(folder) is None:
            rule = f"{located(kustomization.path, base)} has no kustomization.yaml"
            raise SourceError([Problem(where, rule, NOTHING, "give the folder of a kustomization", seen)])
        tree = _tree(folder)
        content = {str(one): digest_of_folder(one) for one in tree.folders}
        content |= {str(one): digest_of_file(one) for one in tree.files}
    except (UnreadableFile, TooMuch) as error:
        remedy = "give the kustomization a folder with nothing else in it"
        raise SourceError([Problem(where, error.message, NOTHING, remedy, seen)]) from None
    # Folders are identified by relative paths, so that another checkout of the same content has the same key.
    parts = sorted([_between(folder, Path(name)), digest] for name, digest in content.items())

    @contextmanager
    def session(tool: Tool) -> Iterator[Session]:
        def render() -> Sourced:
            verb = "build" if tool.name == "kustomize" else "kustomize"
            text, _ = tool.run([verb, str(folder)])
            found = objects_of(text, key=_KEY, where="what kustomize built")
            return Sourced(tuple(found), tuple(_remote(list(tree.remote))))

        yield Session(render)

    return Recipe(
        key=digest_of({"source": _KEY, "content": parts, "remote": sorted(tree.remote)}),
        where=_KEY,
        programs=("kustomize", "kubectl"),
        missing=Problem(
            _KEY,
            "needs the kustomize or the kubectl command, and neither is on the PATH",
            NOTHING,
            f"{INSTALL_KUSTOMIZE}; or keep what `kustomize build` prints elsewhere in a file of `manifests`",
        ),
        session=session,
        remedy=_remedy,
    )


def read_by_kustomization(kustomization: Kustomization, *, base: Path) -> list[Path]:
    """Return the folders and files from which a kustomization is built; none where it doesn't exist.

    Raises:
        UnreadableFile: its path is not a valid path.
        TooMuch: it refers to more folders or files than the limit.
    """
    folder = _there(located(kustomization.path, base))
    tree = _tree(folder) if folder else _Tree()
    return [*tree.folders, *tree.files]


def _remedy(message: str) -> str:
    """Return the remedy for a message of kustomize."""
    if "--enable-helm" in message:
        return "charts in kustomizations are not supported: declare the chart as a workload's `chart`"
    return (
        "plugins are not supported: correct the kustomization" if "plugin" in message else "correct the kustomization"
    )


def _remote(remote: list[str]) -> list[str]:
    """Return a notice about remote inputs that may change but aren't fetched again."""
    floating = [shown(one) for one in remote if not _PINNED.search(one)]
    if not floating:
        return []
    why = "fetched once and then cached until a file of the kustomization changes"
    remedy = "name a commit or a tag (`?ref=`), so that every machine builds the same"
    return [f"{', '.join(first_of(floating, _SHOWN))}: {why}; {remedy}"]


def _tree(folder: Path) -> _Tree:
    """Return the inputs of a kustomization as far as they can be read; kustomize itself reports what is wrong.

    Raises:
        TooMuch: it refers to more folders or files than the limit.
    """
    tree = _Tree(folders={folder: None})
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        for name in _references(place):
            target = _there(place / name)
            if target is None:
                tree.remote[name] = None
            elif target.is_dir():
                if target not in tree.folders:
                    tree.folders[target] = None
                    waiting.append(target)
            elif not target.is_relative_to(place):
                tree.files[target] = None
        if len(tree.folders) > _MOST_FOLDERS or len(tree.files) > MOST_FILES:
            raise TooMuch(f"{folder} refers to more than {_MOST_FOLDERS} folders or {MOST_FILES} files")
    return tree


def _references(folder: Path) -> list[str]:
    file = _file_of(folder)
    try:
        document = yaml.load(read_text(file)) if file else None
    except (UnreadableFile, yaml.YamlError):
        return []
    if not isinstance(document, dict):
        return []
    listed: list[Any] = [entry for key in _ELSEWHERE if isinstance(document.get(key), list) for entry in document[key]]
    openapi = document.get("openapi")
    listed += [openapi.get("path")] if isinstance(openapi, dict) else []
    return [entry for entry in listed if isinstance(entry, str) and entry and "\n" not in entry]


def _there(path: Path) -> Path | None:
    """Return the file or folder to which a path leads; None where there is none."""
    try:
        return path.resolve(strict=True)
    except (OSError, ValueError, RuntimeError):
        return None


def _file_of(folder: Path) -> Path | None:
    for name in _NAMES:
        try:
            if (folder / name).is_file():
                return folder / name
        except (OSError, ValueError):  # no file has such a name
            return None
    return None


def _between(folder: Path, other: Path) -> str:
    """Return the relative path from one folder to another."""
    return os.path.relpath(other, folder)
