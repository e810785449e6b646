"""The notes of a chart (NOTES.txt), rendered without a cluster.

`helm template` renders the notes but doesn't print them, and `helm install --dry-run` needs a cluster. But every file
among a chart's templates is a named template for the others. So a copy of the chart gets one more template, which
includes NOTES.txt and writes it as JSON, and helm prints only this template.
"""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube import yaml
from flotilla.kube.reading import read_bytes
from flotilla.kube.secrecy import redacted
from flotilla.workloads.sources.inputs import MOST_BYTES, MOST_FILES, files_of_folder

LONGEST = 20_000
"""Limit for the characters of one chart's notes; the rest is cut off."""
_NOTES = Path("templates") / "NOTES.txt"
_OWN = "flotilla-notes"
_TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata: {name: flotilla-notes}
data: {notes: {{ include (print $.Template.BasePath "/NOTES.txt") . | toJson }}}
"""


def notes_of(run: Callable[[Sequence[str]], tuple[str, Any]], chart: Path, folder: Path, asked: Sequence[str]) -> str:
    """Return the notes of a chart as helm renders them; empty where it has none, or they can't be rendered.

    Missing notes are no error: the chart's objects are rendered separately.

    Args:
        run: runs helm, and returns its output.
        chart: the chart's folder or archive.
        folder: an empty folder, for the copy.
        asked: helm's arguments, such as the values; CHART is the placeholder for the chart's path.
    """
    try:
        copy = _copied(chart, folder)
        if copy is None or not (copy / _NOTES).is_file():
            return ""
        own = _free_name(copy)
        write_whole(copy / own, _TEMPLATE)
        text, _ = run([*(str(copy) if one == CHART else one for one in asked), f"--show-only={own.as_posix()}"])
        documents = [one for one in yaml.load_all(text) if isinstance(one, dict)]
        return str(documents[0]["data"]["notes"]).strip()[:LONGEST] if documents else ""
    except (FlotillaError, OSError, tarfile.TarError, zlib.error, EOFError, ValueError, KeyError, TypeError):
        return ""


CHART = ""
"""The placeholder for the chart among helm's arguments."""


def without_secrets(notes: str, secrets: Iterable[str] = ()) -> str:
    """Return notes that may be printed: without these secrets and without those that this process knows."""
    return redacted(notes, secrets) if notes else ""


def _copied(chart: Path, folder: Path) -> Path | None:
    """Copy a chart, links followed; return None where it contains nothing, or more than a chart may."""
    if chart.is_file():
        return _unpacked(chart, folder)
    for file in files_of_folder(chart):
        target = folder / file.relative_to(chart)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(read_bytes(file, limit=MOST_BYTES))
    return folder


def _unpacked(archive: Path, folder: Path) -> Path | None:
    left = MOST_BYTES
    with tarfile.open(archive) as opened:
        for number, entry in enumerate(opened):
            left -= entry.size
            if left < 0 or number >= MOST_FILES:
                return None
            opened.extract(entry, folder, filter="data")
    return next((place for place in folder.iterdir() if (place / "Chart.yaml").is_file()), None)


def _free_name(chart: Path) -> Path:
    """Return a name in the folder of templates that no file of the chart has."""
    number = 0
    while (chart / (own := Path("templates") / f"{_OWN}{number or ''}.yaml")).exists():
        number += 1
    return own
