"""Makes docs/picture/demo.svg from a real run of `make demo`: `make picture`, with no sandbox running here."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).with_name("demo.svg")
WIDTH = 100


def main() -> int:
    """Run the demo, and draw what it printed."""
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "flotilla.cli.demo"]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout)
        return done.returncode
    here = str(Path.cwd())
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    # The picture is for everybody: where it was made is nobody's business.
    shown = re.sub(r" from /\S+", "", done.stdout.replace(f"{here}/", ""))
    console.print(Text.from_ansi(f"$ make demo\n{shown}"))
    # Without the fonts that it would fetch: a picture asks nobody for anything.
    TARGET.write_text(re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo"), flags=re.DOTALL))
    return 0


if __name__ == "__main__":
    sys.exit(main())
