"""The files of an adopted fleet: their text, and writing all of them or none."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml as pyyaml

from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube import yaml
from flotilla.kube.objects import Object

_MODE = 0o644
# Strings that some YAML parser reads as another type: numbers in any notation, and words for booleans.
_AMBIGUOUS = re.compile(r"[-+.\d].*|y|n|yes|no|on|off|true|false|null|~|nan|inf", re.IGNORECASE)


_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class _Dumper(pyyaml.SafeDumper):
    """Writes YAML in the usual style: long texts as blocks, lists indented below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists below their key."""
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice in full both times."""
        return True


def _text(dumper: _Dumper, value: str) -> pyyaml.ScalarNode:
    style = "|" if "\n" in value else '"' if _AMBIGUOUS.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def document_text(documents: list[Any]) -> str:
    """Return documents as YAML that Kubernetes and Flotilla read as the same values."""
    text = pyyaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120, explicit_start=len(documents) > 1
    )
    try:
        same = yaml.load_all(text) == documents
    except yaml.YamlError:
        same = False
    # A text that Flotilla's parser reads differently is written as JSON, which is unambiguous.
    return text if same else "".join(f"---\n{_json(one)}\n" for one in documents)


def _json(value: Any) -> str:
    """Return a value as JSON, with escapes for the characters that YAML allows only as escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def texts_of(files: Mapping[str, list[Object]]) -> dict[str, str]:
    """Return the text of each file of manifests."""
    return {name: document_text(objects) for name, objects in sorted(files.items())}


def existing(*places: Path) -> Path | None:
    """Return what would be overwritten: the stack file, or a folder of its manifests; None where neither exists."""
    return next((place for place in places if os.path.lexists(place)), None)


def write(project: Path, stack_file: Path, text: str, folder: str, files: Mapping[str, str]) -> None:
    """Write a stack file and its manifests; where one of them can't be written, all are removed again.

    Args:
        project: the project's folder.
        stack_file: the stack file.
        text: the text of the stack file.
        folder: the folder of all manifests, relative to the project.
        files: the manifests' texts by path, relative to the project.

    Raises:
        FlotillaError: a file or folder exists already, or can't be written.
    """
    place = project / folder
    there = existing(stack_file, place)
    if there is not None:
        raise FlotillaError(f"{there} exists by now; nothing was written")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        stack_file.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}-"))
        partial.chmod(0o755)
        try:
            for name, content in files.items():
                file = partial / Path(name).relative_to(folder)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
                file.chmod(_MODE)
            if files:
                partial.rename(place)
            write_whole(stack_file, text, mode=_MODE)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            if files and not stack_file.exists():
                shutil.rmtree(place, ignore_errors=True)
    except OSError as error:
        raise FlotillaError(
            f"{error.filename or place}: {(error.strerror or 'can not be written').lower()}; nothing was written"
        ) from None


def add(project: Path, stack_file: Path, text: str | None, folders: list[str], files: Mapping[str, str]) -> None:
    """Write folders of manifests and the text of the stack file that names them; if one can't be written, none is.

    Args:
        project: the project's folder.
        stack_file: the existing stack file.
        text: its new text; None leaves it unchanged.
        folders: new folders, relative to the project.
        files: the manifests' texts by path, each in one of the folders.

    Raises:
        FlotillaError: a folder exists already, or something can't be written.
    """
    made: list[Path] = []
    try:
        for folder in folders:
            place = project / folder
            place.parent.mkdir(parents=True, exist_ok=True)
            place.mkdir()
            made.append(place)
        for name, content in files.items():
            (project / name).write_text(content)
            (project / name).chmod(_MODE)
        if text is not None:
            write_whole(stack_file.resolve(), text, mode=stack_file.stat().st_mode & 0o777)
    except BaseException as error:
        for place in made:
            shutil.rmtree(place, ignore_errors=True)
        if not isinstance(error, OSError):
            raise
        raise FlotillaError(
            f"{error.filename or stack_file}: {(error.strerror or 'can not be written').lower()}; nothing was written"
        ) from None
