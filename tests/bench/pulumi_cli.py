"""Run the measured program with Pulumi's CLI; measure the time and the memory of all its processes."""

import os
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.sessions import processes_of

REPOSITORY = Path(__file__).parents[2]
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-kubernetes")
PROGRAM = """
from contextlib import suppress
from pathlib import Path

from tests.sessions import processes_of

from tests.bench.program import declare

declare({count}, Path({karmada!r}).read_text(), Path({member!r}).read_text())
"""
VERBS = {
    "preview": ("preview",),
    "up": ("up", "--yes", "--skip-preview"),
    "refresh": ("refresh", "--preview-only"),
    "destroy": ("destroy", "--yes", "--skip-preview"),
}
SAMPLE = 0.2
"""Seconds between two measurements of the memory."""


def missing() -> list[str]:
    """Return the needed programs of Pulumi that are not on the PATH."""
    return [name for name in NEEDED if shutil.which(name) is None]


class PulumiRun:
    """A stack of `count` members in its own folder, with its own state."""

    def __init__(self, folder: Path, count: int, karmada: Path, member: Path) -> None:
        folder.mkdir()
        (folder / "state").mkdir()
        options = f"{{ toolchain: pip, virtualenv: {sys.prefix} }}"
        (folder / "Pulumi.yaml").write_text(f"name: bench\nruntime: {{ name: python, options: {options} }}\n")
        (folder / "__main__.py").write_text(PROGRAM.format(count=count, karmada=str(karmada), member=str(member)))
        self._folder = folder
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "PULUMI_BACKEND_URL": f"file://{folder / 'state'}",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
        }
        self._pulumi("stack", "init", "bench")

    def run(self, verb: str) -> dict:
        """Run one verb and return seconds and megabytes."""
        started = time.monotonic()
        megabytes = self._pulumi(*VERBS[verb], "--stack", "bench")
        return {"seconds": time.monotonic() - started, "megabytes": megabytes}

    def _pulumi(self, *arguments: str) -> float:
        with (self._folder / "log").open("w+") as log:
            process = subprocess.Popen(
                ["pulumi", *arguments, "--non-interactive"],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # by which the processes of its plugins are found
            )
            peak = _Peak(process.pid)
            code = process.wait(timeout=1200)
            megabytes = peak.stop()
            if code:
                log.seek(0)
                raise RuntimeError(log.read()[-2000:])
        return megabytes


class _Peak:
    """Measures in a thread the peak of the memory of all processes in a session."""

    def __init__(self, session: int) -> None:
        self._session = session
        self._megabytes = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Stop measuring and return the peak in megabytes; 0 without /proc."""
        self._over.set()
        self._thread.join()
        return self._megabytes

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE):
            self._megabytes = max(self._megabytes, _resident(self._session) / 1024**2)


def _resident(session: int) -> int:
    pages = 0
    for process in processes_of(session):
        with suppress(OSError):  # the process has ended meanwhile
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
