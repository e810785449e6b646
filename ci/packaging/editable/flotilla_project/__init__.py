"""The wheel's `flotilla_project` in an editable install: the repository's own top level."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[4])]
