"""Writes the pages of docs/reference that are generated from models, the parser and the exit codes: `make reference`.

A test fails if a committed page differs from what this program writes.
"""

from __future__ import annotations

from pathlib import Path

from ci.reference import commands, exit_codes, stack_file

REPOSITORY = Path(__file__).parents[2]
PAGES = {
    "stack-file.md": stack_file.stack_file_page,
    "installation.md": stack_file.installation_page,
    "commands.md": commands.page,
    "exit-codes.md": exit_codes.page,
}
"""The names of pages in docs/reference, with the functions that return their texts."""


def main() -> None:
    """Write every page."""
    for name, page in PAGES.items():
        (REPOSITORY / "docs" / "reference" / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
