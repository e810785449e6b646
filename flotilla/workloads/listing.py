"""Which files an entry of `manifests` means: one file, those of a folder, or those that a pattern matches.

As `kubectl apply -f` does it: a folder means the `.yaml`, `.yml` and `.json` files in it, and not those below; a file
whose name is the very text of a pattern is meant itself. Unlike there, hidden files are left out (editors keep their
locks so), and a link may not lead out of the project: nobody has named what it leads to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from flotilla.kube.reading import UnreadableFile, located

ENDINGS = (".yaml", ".yml", ".json")
"""Of the files that folders and patterns mean (kubectl, resource.FileExtensions)."""
MOST_FILES = 1_000
"""Of one entry."""
MOST_SEEN = 20_000
"""Files and folders that are looked at for one entry."""
MOST_BYTES = 64 * 1024 * 1024
"""Of all files of one entry."""
# What makes a folder the source of another tool (kustomize, konfig.RecognizedKustomizationFileNames; helm, chart.yaml).
_OTHERS = {
    "kustomization.yaml": ("a kustomization", "kustomize"),
    "kustomization.yml": ("a kustomization", "kustomize"),
    "Kustomization": ("a kustomization", "kustomize"),
    "Chart.yaml": ("a Helm chart", "chart"),
}
_MAGIC = "*?["


class UnlistedFiles(UnreadableFile):
    """An entry that means no files, too many, or some that aren't read; `hint` says what to write instead."""

    def __init__(self, message: str, remedy: str, *, outside: bool = False) -> None:
        """Keep the remedy as the hint; `outside`: a link leads out of the project."""
        super().__init__(message)
        self.hint = remedy
        self.outside = outside


def files_of(entry: str, base: Path) -> list[str]:
    """Return the files that an entry means, as paths like the entry's own, sorted; a plain file's path is itself.

    Whether a file can be read is not looked at: who reads it says so.

    Args:
        entry: a path, or a pattern with `*`, `?`, `[...]` within names and `**` for any folders.
        base: the project's folder, which relative paths refer to.

    Raises:
        UnreadableFile: it means no file, too many, a link that leads out, or the source of another tool.
    """
    place = located(entry, base)
    try:
        if place.is_dir():
            return _in_folder(entry, place, base)
        if not is_pattern(entry) or os.path.lexists(place):
            return [entry]
    except (OSError, ValueError):  # a name that no file has: reading it says so
        return [entry]
    return _matching(entry, base)


def is_pattern(text: str) -> bool:
    """Tell whether a path, or a part of one, has a wildcard in it."""
    return any(char in text for char in _MAGIC)


def _in_folder(entry: str, folder: Path, base: Path) -> list[str]:
    search = _Search(entry, base, folder)
    names = sorted(search.files(folder, ("*",)))
    search.refuse_others(folder, {()})
    if not names:
        below = any(one.is_dir() and not one.name.startswith(".") for one in folder.iterdir())
        pattern = PurePosixPath(entry) / "**" / "*.yaml"
        hint = f"folders in it are not looked into: write {pattern}" if below else "put the manifests there"
        raise UnlistedFiles(f"folder {entry} holds no {_endings()} file", hint)
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
            "correct it: `*` stays within a folder, `**` goes through all below; hidden and linked ones are left out",
        )
    return [str(PurePosixPath(*parts[:first], *name)) for name in names]


class _Search:
    """One look for files, within bounds."""

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
                    f"{self._entry} means more than {MOST_FILES:,} files or {MOST_BYTES // 2**20} MiB, the most that "
                    "one entry may",
                    "name a folder of fewer, or split it among workloads",
                )
        return found

    def refuse_others(self, folder: Path, within: set[tuple[str, ...]]) -> None:
        """Refuse folders that are the source of another tool: their files aren't what is to be applied.

        Raises:
            UnlistedFiles: one of them is.
        """
        for parts in sorted(within):
            for name, (what, key) in _OTHERS.items():
                if (folder.joinpath(*parts) / name).is_file():
                    where = str(PurePosixPath(*parts)) if parts else ""
                    shown = f"{self._entry} ({where})" if where else self._entry
                    raise UnlistedFiles(
                        f"{shown} is {what}: it has a {name}",
                        f"take it as `{key}` of a workload: its files are not the objects that it makes",
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
            raise UnlistedFiles(f"{self._entry} can't be listed: {folder.name}: {why}", "let it be read") from None
        self._seen += len(listed)
        if self._seen > MOST_SEEN:
            raise UnlistedFiles(
                f"{self._entry} looks through more than {MOST_SEEN:,} files and folders", "begin it with a narrower one"
            )
        yield from listed

    def _check_link(self, entry: os.DirEntry[str]) -> None:
        if not entry.is_symlink():
            return
        try:
            target = Path(entry.path).resolve()
        except (OSError, RuntimeError):
            return  # a link to itself: reading it says so
        if not any(target.is_relative_to(root) for root in self._roots):
            raise UnlistedFiles(
                f"{self._entry} has {entry.name}, a link that leads out of the project's folder",
                "name that file itself, if it is meant, or take the link away",
                outside=True,
            )


def _plain(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return a pattern's parts with one `**` where several follow each other, and what a last one means: any file."""
    plain = [part for number, part in enumerate(parts) if part != "**" or parts[number - 1 : number] != ("**",)]
    return (*plain, "*") if plain[-1] == "**" else tuple(plain)


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:
        return 0


def _endings() -> str:
    return f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
