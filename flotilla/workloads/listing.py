"""Lists the files that an entry of `manifests` names: one file, the files of a folder, or those that a pattern matches.

The rules are those of `kubectl apply -f`: a folder names the `.yaml`, `.yml` and `.json` files in it, but not those in
its subfolders; a file whose name equals the text of a pattern is that file itself. Unlike kubectl, Flotilla leaves out
hidden files (editors use them as locks), and a link must not lead out of the project: nobody has named its target.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from flotilla.kube.reading import UnreadableFile, located

ENDINGS = (".yaml", ".yml", ".json")
"""Extensions of the files that folders and patterns name (kubectl, resource.FileExtensions)."""
MOST_FILES = 1_000
"""Maximum number of files of one entry."""
MOST_SEEN = 20_000
"""Maximum number of files and folders that a search for one entry visits."""
MOST_BYTES = 64 * 1024 * 1024
"""Maximum size of all files of one entry."""
# Files that mark another tool's source (kustomize: konfig.RecognizedKustomizationFileNames; helm: chart.yaml).
_OTHERS = {
    "kustomization.yaml": ("a kustomization", "kustomize"),
    "kustomization.yml": ("a kustomization", "kustomize"),
    "Kustomization": ("a kustomization", "kustomize"),
    "Chart.yaml": ("a Helm chart", "chart"),
}
_MAGIC = "*?["


class UnlistedFiles(UnreadableFile):
    """An entry names no files, too many, or files that Flotilla doesn't read; `hint` is the remedy."""

    def __init__(self, message: str, remedy: str, *, outside: bool = False) -> None:
        """Store the remedy as the hint; `outside`: a link leads out of the project."""
        super().__init__(message)
        self.hint = remedy
        self.outside = outside


def files_of(entry: str, base: Path) -> list[str]:
    """Return the files that an entry names, as paths like the entry's own, sorted; for a plain file, the entry itself.

    Whether a file can be read isn't checked here: its reader reports it.

    Args:
        entry: a path, or a pattern with `*`, `?`, `[...]` within names and `**` for any folders.
        base: the project's folder, to which paths are relative.

    Raises:
        UnreadableFile: it names no file, too many, a link that leads out, or the source of another tool.
    """
    place = located(entry, base)
    try:
        if place.is_dir():
            return _in_folder(entry, place, base)
        if not is_pattern(entry) or os.path.lexists(place):
            return [entry]
    except (OSError, ValueError):  # no file can have such a name: reading it reports this
        return [entry]
    return _matching(entry, base)


def is_pattern(text: str) -> bool:
    """Return whether a path, or a part of one, contains a wildcard."""
    return any(char in text for char in _MAGIC)


def _in_folder(entry: str, folder: Path, base: Path) -> list[str]:
    search = _Search(entry, base, folder)
    names = sorted(search.files(folder, ("*",)))
    search.refuse_others(folder, {()})
    if not names:
        below = any(one.is_dir() and not one.name.startswith(".") for one in folder.iterdir())
        pattern = PurePosixPath(entry) / "**" / "*.yaml"
        hint = f"its subfolders are not read: write {pattern}" if below else "put the manifests there"
        raise UnlistedFiles(f"folder {entry} contains no {_endings()} file", hint)
    return [str(PurePosixPath(entry, *name)) for name in names]


def _matching(pattern: str, base: Path) -> list[str]:
    parts = PurePosixPath(pattern).parts
    first = next(number for number, part in enumerate(parts) if is_pattern(part))
    folder = located(str(PurePosixPath(*parts[:first])), base)
    search = _Search(pattern, base, folder)
    names = sorted(search.files(folder, parts[first:])) if folder.is_dir() else []
    search.refuse_others(folder, {name[:-1] for name in names})
    if not names:
        raise UnlistedFiles(
            f"{pattern} matches no {_endings()} file",
            "correct it: `*` stays within a folder, `**` includes subfolders; hidden and linked ones are left out",
        )
    return [str(PurePosixPath(*parts[:first], *name)) for name in names]


class _Search:
    """One search for files, within limits."""

    def __init__(self, entry: str, base: Path, folder: Path) -> None:
        self._entry = entry
        self._roots = (base.resolve(), folder.resolve())
        self._seen = 0
        self._bytes = 0

    def files(self, folder: Path, parts: tuple[str, ...]) -> set[tuple[str, ...]]:
        """Return the files below a folder that the parts of a pattern match, as parts relative to it.

        Raises:
            UnlistedFiles: they are too many or too large, or one is a link that leads out.
        """
        wanted = _plain(parts)
        found: set[tuple[str, ...]] = set()
        for name, entry in self._walk(folder, (), wanted):
            if name in found:
                continue
            found.add(name)
            self._check_link(entry)
            self._bytes += _size(entry)
            if len(found) > MOST_FILES or self._bytes > MOST_BYTES:
                raise UnlistedFiles(
                    f"{self._entry} names more than {MOST_FILES:,} files or {MOST_BYTES // 2**20} MiB, the limit for "
                    "one entry",
                    "name a smaller folder, or split it among workloads",
                )
        return found

    def refuse_others(self, folder: Path, within: set[tuple[str, ...]]) -> None:
        """Refuse folders that are the source of another tool: their files aren't the objects to apply.

        Raises:
            UnlistedFiles: one of the folders is.
        """
        for parts in sorted(within):
            for name, (what, key) in _OTHERS.items():
                if (folder.joinpath(*parts) / name).is_file():
                    where = str(PurePosixPath(*parts)) if parts else ""
                    shown = f"{self._entry} ({where})" if where else self._entry
                    raise UnlistedFiles(
                        f"{shown} is {what}: it has a {name}",
                        f"use it as `{key}` of a workload: its files are not the objects that it generates",
                    )

    def _walk(
        self, folder: Path, within: tuple[str, ...], parts: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
        head, rest = parts[0], parts[1:]
        if head == "**":
            yield from self._walk(folder, within, rest)
        for entry in self._scan(folder):
            real_folder = entry.is_dir(follow_symlinks=False)
            if head == "**":
                if real_folder:
                    yield from self._walk(folder / entry.name, (*within, entry.name), parts)
            elif not fnmatchcase(entry.name, head):
                continue
            elif rest:
                if real_folder:
                    yield from self._walk(folder / entry.name, (*within, entry.name), rest)
            elif entry.name.endswith(ENDINGS) and not entry.is_dir():
                yield (*within, entry.name), entry

    def _scan(self, folder: Path) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise UnlistedFiles(f"{self._entry} can't be listed: {folder.name}: {why}", "make it readable") from None
        self._seen += len(listed)
        if self._seen > MOST_SEEN:
            raise UnlistedFiles(
                f"{self._entry} visits more than {MOST_SEEN:,} files and folders", "begin it with a smaller folder"
            )
        yield from listed

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_symlink():
            return
        try:
            target = Path(entry.path).resolve()
        except (OSError, RuntimeError):
            return  # a link to itself: reading it reports this
        if not any(target.is_relative_to(root) for root in self._roots):
            raise UnlistedFiles(
                f"{self._entry} has {entry.name}, a link that leads out of the project's folder",
                "name that file itself if you need it, or remove the link",
                outside=True,
            )


def _plain(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a pattern's parts, with repeated `**` reduced to one, and `*` (any file) after a final `**`."""
    plain = [part for number, part in enumerate(parts) if part != "**" or parts[number - 1 : number] != ("**",)]
    return (*plain, "*") if plain[-1] == "**" else tuple(plain)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _endings() -> str:
    return f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
