"""In an editable install, `flotilla_project` is the top level of the repository."""

from pathlib import Path

__path__ = [str(Path(__file__).resolve().parents[4])]
