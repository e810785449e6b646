"""The wheel, built and installed into an environment without other files of the repository."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests.conftest import REPOSITORY

EPOCH = "1700000000"


def build(folder: Path, *targets: str) -> list[Path]:
    """Build the distributions, as the release does, and return their files."""
    chosen = [word for target in targets for word in ("-t", target)]
    command = [sys.executable, "-m", "hatchling", "build", *chosen, "-d", str(folder)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(folder.iterdir())


class Environment:
    """A virtual environment with the wheel; it imports the dependencies from the environment of the tests."""

    def __init__(self, folder: Path) -> None:
        (wheel,) = build(folder / "dist", "wheel")
        self.folder = folder / "venv"
        venv.create(self.folder, symlinks=True, with_pip=False)
        self.python = self.folder / "bin" / "python"
        uv = Path(sys.executable).with_name("uv")
        install = [uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", self.python, wheel]
        done = subprocess.run(install, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        (site,) = self.folder.glob("lib/python*/site-packages")
        # A plain path, so Python doesn't read .pth files in that folder, such as the editable install's.
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *command: str, cwd: Path, code: int = 0, more: dict[str, str] | None = None) -> str:
        """Run a program of the environment, and return what it printed: standard output, then standard error."""
        return self._run([str(self.folder / "bin" / command[0]), *command[1:]], cwd=cwd, code=code, more=more or {})

    def shell(self, text: str, *, cwd: Path) -> str:
        """Run a script with bash, with the environment's programs on the PATH, and return what it printed."""
        return self._run(["bash", "-c", text], cwd=cwd, code=0, more={})

    def _run(self, command: list[str], *, cwd: Path, code: int, more: dict[str, str]) -> str:
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        path = os.pathsep.join([str(self.folder / "bin"), "/usr/local/bin", "/usr/bin", "/bin"])
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**kept, "PATH": path, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        text = done.stdout + done.stderr
        assert done.returncode == code, f"{' '.join(command)}: exit {done.returncode}\n{text}"
        return text
