"""Write the completion scripts that the wheel installs (`make completions`): what `flotilla completion` prints."""

from __future__ import annotations

from pathlib import Path

from argcomplete.shell_integration import shellcode

FOLDER = Path(__file__).with_name("completions")
FILES = {"bash": "flotilla", "zsh": "_flotilla", "fish": "flotilla.fish"}


def made() -> dict[str, str]:
    """Return the scripts by their files' names. Only zsh needs the first line: it finds completion scripts by it."""
    scripts = {shell: shellcode(["flotilla"], shell=shell).lstrip("\n") for shell in FILES}
    scripts["bash"] = scripts["bash"].removeprefix("#compdef flotilla\n")
    return {file: scripts[shell] for shell, file in FILES.items()}


if __name__ == "__main__":
    for file, text in made().items():
        (FOLDER / file).write_text(text)
