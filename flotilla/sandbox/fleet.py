"""The whole sandbox: Karmada's API and components, and the members; started in parallel, removed completely."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from flotilla.counts import counted
from flotilla.errors import SandboxError
from flotilla.sandbox.binaries import Binaries, Report, ensure
from flotilla.sandbox.clusters import SandboxCluster
from flotilla.sandbox.controllers import Controllers
from flotilla.sandbox.karmada import KarmadaProcesses, find_karmada
from flotilla.sandbox.standin.process import StandIn

CONTROL_PLANE = "karmada"
STACK = "sandbox"
NODES = 3
MAX_MEMBERS = 50
_MARK = "# Written by `flotilla sandbox up`; yours to edit. `flotilla sandbox down` removes it.\n"


@dataclass(frozen=True)
class Status:
    """The status of one part of the sandbox."""

    name: str
    kind: str
    """cluster or karmada."""
    ready: bool
    detail: str


@dataclass(frozen=True)
class _Record:
    """The options of the last `up`, for later commands."""

    members: int
    karmada_bin: str
    """The folder of Karmada's programs; empty for the stand-in."""
    karmada: str
    """The name of Karmada, or of the stand-in, in outputs."""


class Sandbox:
    """A local fleet in a separate folder, for one checkout of the project."""

    def __init__(self, project: Path) -> None:
        """Set the paths; nothing is created yet."""
        self.project = project
        self.root = project / ".flotilla" / "sandbox"
        self.stack_file = project / "stacks" / f"Pulumi.{STACK}.yaml"

    def up(self, report: Report, *, members: int, karmada_bin: Path | None = None, stand_in: bool = False) -> None:
        """Start the missing parts and repair broken ones; running parts are not touched.

        If Karmada's programs are given or found, they are started; otherwise a stand-in is.

        Args:
            report: receives a line for every step that takes longer than a second.
            members: the number of clusters in addition to Karmada's.
            karmada_bin: the folder of Karmada's programs.
            stand_in: run the stand-in even if Karmada's programs are found.

        Raises:
            SandboxError: a part could not be started; the message has the last lines of its log.
        """
        if not 1 <= members <= MAX_MEMBERS:
            raise SandboxError(
                f"{counted(members, 'member')}: a sandbox has 1 to {MAX_MEMBERS}",
                hint="each takes about 500 MB of memory",
            )
        with self._locked():
            programs = self._programs(karmada_bin, stand_in=stand_in)
            binaries = ensure(report)
            karmada = self._karmada(programs, binaries)
            version = karmada.version()
            self.root.mkdir(parents=True, exist_ok=True)
            self._record_file.write_text(json.dumps(asdict(_Record(members, programs, karmada.title))))
            self._start(report, binaries, karmada, members)
            self._write_stack_file(members, version)

    def status(self) -> list[Status]:
        """Return the status of every part."""
        record = self._record()
        if record is None:
            return []
        binaries = ensure(lambda _: None)
        clusters = [self._cluster(name, binaries) for name in self._names(record.members)]
        with ThreadPoolExecutor(max_workers=8) as pool:
            ready = list(pool.map(SandboxCluster.ready, clusters))
        result = [
            Status(cluster.name, "cluster", is_ready, str(cluster.kubeconfig))
            for cluster, is_ready in zip(clusters, ready, strict=True)
        ]
        karmada = self._karmada(record.karmada_bin, binaries)
        origin = f" from {record.karmada_bin}" if record.karmada_bin else ""
        return [*result, Status("karmada components", "karmada", karmada.running(), record.karmada + origin)]

    def down(self, report: Report) -> bool:
        """End all processes and remove all files, including the stack file. Return False if there was no sandbox."""
        if not self.root.exists():
            return False
        with self._locked():
            record = self._record()
            if record:
                binaries = ensure(report)
                self._karmada(record.karmada_bin, binaries).down()
                names = {folder.name for folder in (self.root / "kwok" / "clusters").glob("*")}
                clusters = [self._cluster(name, binaries) for name in names | set(self._names(record.members))]
                with ThreadPoolExecutor(max_workers=4) as pool:
                    list(pool.map(SandboxCluster.down, clusters))
        shutil.rmtree(self.root)
        if self.stack_file.exists() and _MARK in self.stack_file.read_text():
            self.stack_file.unlink()
        return True

    def _programs(self, given: Path | None, *, stand_in: bool) -> str:
        """Return the folder of Karmada's programs, or '' for the stand-in; an existing sandbox keeps its choice."""
        record = self._record()
        if record is not None:
            wanted = str(given.resolve()) if given else record.karmada_bin
            if wanted != record.karmada_bin or (stand_in and record.karmada_bin):
                raise SandboxError(
                    f"this sandbox runs {record.karmada}",
                    hint="run `flotilla sandbox down` first, then up with the other",
                )
            return record.karmada_bin
        found = None if stand_in else find_karmada(given)
        return str(found) if found else ""

    def _karmada(self, programs: str, binaries: Binaries) -> Controllers:
        cluster = self._cluster(CONTROL_PLANE, binaries)
        return KarmadaProcesses(cluster, Path(programs)) if programs else StandIn(cluster)

    def _start(self, report: Report, binaries: Binaries, karmada: Controllers, members: int) -> None:
        started = time.monotonic()

        def start(name: str) -> None:
            is_member = name != CONTROL_PLANE
            if self._cluster(name, binaries).up(workloads=is_member, nodes=NODES if is_member else 0):
                report(f"cluster {name} is up ({time.monotonic() - started:.0f} s)")

        # Three at a time: the start of an API server needs much CPU, and more of them would only slow each other down.
        with ThreadPoolExecutor(max_workers=3) as pool:
            list(pool.map(start, self._names(members)))
        if karmada.up():
            report(f"{karmada.title} is up ({time.monotonic() - started:.0f} s)")
        extra = {f.name for f in (self.root / "kwok" / "clusters").glob("member*")} - set(self._names(members))
        for name in sorted(extra):
            report(f"cluster {name} is beyond --members {members}: it stays until `flotilla sandbox down`")

    def _write_stack_file(self, members: int, version: str) -> None:
        if self.stack_file.exists():
            return
        names = [f"member{i}" for i in range(1, members + 1)]
        folder = self.root.relative_to(self.project) / "kubeconfigs"
        config = {
            "flotilla:controlPlane": {"kubeconfig": str(folder / f"{CONTROL_PLANE}.yaml"), "version": version},
            "flotilla:members": [{"name": name, "kubeconfig": str(folder / f"{name}.yaml")} for name in names],
            "flotilla:workloads": [
                {
                    "name": "nginx",
                    "image": "nginx:1.27",
                    "replicas": 2,
                    "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
                    "placement": {"clusters": names[:2]},
                }
            ],
        }
        header = f"# yaml-language-server: $schema=fleet.schema.json\n{_MARK}"
        self.stack_file.parent.mkdir(exist_ok=True)
        self.stack_file.write_text(header + yaml.safe_dump({"config": config}, sort_keys=False))

    def _cluster(self, name: str, binaries: Binaries) -> SandboxCluster:
        return SandboxCluster(name, self.root, binaries)

    def _names(self, members: int) -> list[str]:
        return [CONTROL_PLANE, *(f"member{i}" for i in range(1, members + 1))]

    @property
    def _record_file(self) -> Path:
        return self.root / "sandbox.json"

    def _record(self) -> _Record | None:
        try:
            return _Record(**json.loads(self._record_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root.parent, os.O_RDONLY)  # the folder itself is locked, since a lock file would remain
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise SandboxError(
                    "another `flotilla sandbox` command is running here", hint="wait until it is done"
                ) from None
            yield
        finally:
            os.close(folder)
