"""The sandbox's programs: downloaded if possible, otherwise built from the Go modules pinned in `tools/`.

They are cached in a folder whose name is a digest of the pinned sources. So a changed version gets a new folder, and
two checkouts with equal versions share one. If two processes start together, one makes the folder and the other waits.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flotilla.errors import SandboxError
from flotilla.kube import children

KUBERNETES = "v1.37.2"
ETCD = "v3.6.16"
KWOK = "v0.8.0"

_TOOLS = Path(__file__).with_name("tools")
_KWOK_RELEASE = f"https://github.com/kubernetes-sigs/kwok/releases/download/{KWOK}"
CHECKSUMS: dict[str, str] = {}
"""SHA-256 checksums of released files by name, such as `kwokctl-linux-amd64`, if KWOK publishes them.

A file that differs from its checksum is not run. A file without a checksum is run, and the sandbox reports it. Programs
built from Go modules are verified by `tools/*/go.sum`."""
BUILD = "FLOTILLA_SANDBOX_BUILD"
"""If this variable is set, the programs are built even if released ones can be downloaded."""
_PROBE_SECONDS = 5
_DOWNLOAD_SECONDS = 300

Report = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """One program: the folder in which it is built, its Go package, and the variables that the linker sets."""

    name: str
    module: str
    package: str
    stamps: tuple[tuple[str, str], ...] = ()


# Helm charts that check the API server's version, such as Karmada's, refuse an API server without one.
_VERSION_PACKAGE = "k8s.io/component-base/version"
_KUBERNETES_STAMPS = (
    (f"{_VERSION_PACKAGE}.gitVersion", KUBERNETES),
    (f"{_VERSION_PACKAGE}.gitMajor", KUBERNETES[1:].split(".", maxsplit=1)[0]),
    (f"{_VERSION_PACKAGE}.gitMinor", KUBERNETES.split(".")[1]),
    (f"{_VERSION_PACKAGE}.gitTreeState", "archive"),
    (f"{_VERSION_PACKAGE}.buildDate", "1970-01-01T00:00:00Z"),
)
PROGRAMS = (
    Program("kwokctl", "kwok", "sigs.k8s.io/kwok/cmd/kwokctl", (("sigs.k8s.io/kwok/pkg/consts.Version", KWOK[1:]),)),
    Program("kwok", "kwok", "sigs.k8s.io/kwok/cmd/kwok", (("sigs.k8s.io/kwok/pkg/consts.Version", KWOK[1:]),)),
    Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
    *(
        Program(name, "kubernetes", f"k8s.io/kubernetes/cmd/{name}", _KUBERNETES_STAMPS)
        for name in ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
    ),
)


@dataclass(frozen=True)
class Binaries:
    """The folder of the programs. `kwokctl` itself downloads those that the folder lacks."""

    folder: Path
    origin: str

    def path(self, name: str) -> Path | None:
        """Return a program's path; None if kwokctl downloads it."""
        file = self.folder / name
        return file if file.exists() else None

    @property
    def kwokctl(self) -> Path:
        """The program that starts clusters; it always exists."""
        return self.folder / "kwokctl"


def cache_folder() -> Path:
    """Return the folder of all cached programs (FLOTILLA_CACHE, or the user's cache folder)."""
    root = os.environ.get("FLOTILLA_CACHE") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "flotilla"


def ensure(report: Report, *, cache: Path | None = None) -> Binaries:
    """Return the sandbox's programs; download or build them if necessary.

    Args:
        report: receives a line for every step that takes longer than a second.
        cache: the cache folder, for tests.

    Raises:
        SandboxError: the programs can be neither downloaded nor built.
    """
    given = os.environ.get("FLOTILLA_SANDBOX_BIN")
    if given:
        return _given(Path(given))
    folder = (cache or cache_folder()) / f"sandbox-{_digest()}"
    if not (folder / ".complete").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock"), report):
            if not (folder / ".complete").exists():
                _make(folder, report)
    return Binaries(folder, (folder / ".complete").read_text().strip())


def _given(folder: Path) -> Binaries:
    missing = [program.name for program in PROGRAMS if not (folder / program.name).exists()]
    if missing:
        raise SandboxError(
            f"FLOTILLA_SANDBOX_BIN={folder} has no {', '.join(missing)}",
            hint="give a folder with all of them, or unset it to have them downloaded or built",
        )
    return Binaries(folder, "given by FLOTILLA_SANDBOX_BIN")


def _make(folder: Path, report: Report) -> None:
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if not os.environ.get(BUILD) and _downloadable():
        origin = f"released binaries (kwok {KWOK}, Kubernetes {KUBERNETES})"
        report(f"kwokctl downloads Kubernetes' and etcd's programs by itself, unverified; {BUILD}=1 builds all of them")
        for name in ("kwokctl", "kwok"):
            _download(f"{_KWOK_RELEASE}/{name}-{_platform()}", partial / name, report)
    elif shutil.which("go"):
        origin = f"built from Go modules (kwok {KWOK}, Kubernetes {KUBERNETES}, etcd {ETCD})"
        _build_all(partial, report)
    else:
        shutil.rmtree(partial)
        raise SandboxError(
            "the sandbox's programs can be neither downloaded (github.com doesn't answer) nor built (there is no Go)",
            hint="install Go 1.26 or newer, or put the programs into a folder and set FLOTILLA_SANDBOX_BIN to it",
        )
    (partial / ".complete").write_text(origin + "\n")
    partial.rename(folder)


def _build_all(folder: Path, report: Report) -> None:
    for index, program in enumerate(PROGRAMS, 1):
        started = time.monotonic()
        report(f"building {program.name} ({index} of {len(PROGRAMS)}; all of them take 6 to 9 minutes on two cores)")
        _build(program, folder)
        seconds = time.monotonic() - started
        if seconds > 1:
            report(f"built {program.name} in {seconds:.0f} s")


def _build(program: Program, folder: Path) -> None:
    stamps = " ".join(f"-X {key}={value}" for key, value in program.stamps)
    result = subprocess.run(
        ["go", "build", "-trimpath", "-ldflags", f"-s -w {stamps}", "-o", folder / program.name, program.package],
        cwd=_TOOLS / program.module,
        env=children.environment(CGO_ENABLED="0", GOFLAGS="-mod=readonly -buildvcs=false"),
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        last = result.stderr.strip().splitlines()[-1:] or ["no output"]
        raise SandboxError(
            f"{program.name} can't be built: {last[0]}",
            hint=f"run `go build {program.package}` in {_TOOLS / program.module} to see all of it",
        )


def _downloadable() -> bool:
    request = urllib.request.Request(f"{_KWOK_RELEASE}/kwokctl-{_platform()}", method="HEAD")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_PROBE_SECONDS):  # noqa: S310 - a constant https URL
            return True
    except OSError:
        return False


def _download(url: str, target: Path, report: Report) -> None:
    report(f"downloading {url}")
    try:
        with urllib.request.urlopen(url, timeout=_DOWNLOAD_SECONDS) as response, target.open("wb") as file:  # noqa: S310
            shutil.copyfileobj(response, file)
    except (urllib.error.URLError, OSError) as error:
        raise SandboxError(f"{url} can't be downloaded: {error}", hint="run it again; what is there is kept") from None
    _verify(url.rpartition("/")[2], target, report)
    target.chmod(target.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def _verify(name: str, file: Path, report: Report) -> None:
    """Refuse a downloaded file that differs from the published one; report a file that can't be verified."""
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    wanted = CHECKSUMS.get(name)
    if wanted is None:
        report(
            f"{name} (SHA-256 {found}) is not verified: no checksum of {KWOK} is pinned; {BUILD}=1 builds it instead"
        )
    elif wanted != found:
        file.unlink()
        raise SandboxError(
            f"{name} of {KWOK} has the SHA-256 {found}, the published one is {wanted}; it was deleted, not run",
            hint=f"somebody in between may have changed it; {BUILD}=1 builds it from Go modules instead",
        )


def _platform() -> str:
    machine = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{platform.system().lower()}-{machine}"


def _digest() -> str:
    parts = hashlib.sha256(f"{_platform()} {PROGRAMS}".encode())
    for program in PROGRAMS:
        parts.update((_TOOLS / program.module / "go.sum").read_bytes())
        parts.update((_TOOLS / program.module / "go.mod").read_bytes())
    return parts.hexdigest()[:16]


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another process is preparing the sandbox's programs; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
