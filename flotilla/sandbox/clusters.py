"""One cluster of the sandbox: a real control plane, driven by kwokctl, with simulated nodes and pods."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flotilla.errors import ClusterError, SandboxError
from flotilla.kube import children
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.sandbox.binaries import KUBERNETES, Binaries
from flotilla.sandbox.ports import LOOPBACK, free_ports
from flotilla.sandbox.processes import command_line, start_time, wait_until
from flotilla.sandbox.stages import stages

_NODE_CAPACITY = {"cpu": "32", "memory": "256Gi", "pods": "110"}
# The controllers of Karmada's kube-controller-manager as upstream deploys it: no workload controllers.
_KARMADA_CONTROLLERS = (
    "namespace,garbagecollector,serviceaccount-token,ttl-after-finished,bootstrapsigner,tokencleaner,csrapproving,"
    "csrcleaner,csrsigning,clusterrole-aggregation"
)
_START_SECONDS = 120
_STOP_SECONDS = 30

_LOG = ("this pod is simulated: it runs no program, and every simulated pod has this log", "ready")


@dataclass(frozen=True)
class SandboxCluster:
    """A named cluster in the sandbox's folder."""

    name: str
    root: Path
    binaries: Binaries

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, mode 0600."""
        return self.root / "kubeconfigs" / f"{self.name}.yaml"

    @property
    def folder(self) -> Path:
        """The folder in which kwokctl keeps this cluster."""
        return self.root / "kwok" / "clusters" / self.name

    @property
    def pki(self) -> Path:
        """The folder of certificates: ca.crt, admin.crt, admin.key."""
        return self.folder / "pki"

    @property
    def etcd_port(self) -> int:
        """Etcd's client port, on loopback."""
        document = next(yaml.safe_load_all((self.root / "config" / f"{self.name}.yaml").read_text()))
        return int(document["options"]["etcdPort"])

    def connection(self) -> Connection:
        """Connect as administrator."""
        document = kubeconfigs.load(self.kubeconfig.read_text(), origin=str(self.kubeconfig))
        return Connection(kubeconfigs.select(document), name=self.name)

    def ready(self) -> bool:
        """Return whether the API server answers that it is ready."""
        if not self.kubeconfig.exists():
            return False
        try:
            self.connection().ready(doing="asking for readiness", timeout=3)
        except ClusterError:
            return False
        return True

    def up(self, *, workloads: bool, nodes: int = 0) -> bool:
        """Create the cluster, or start it again after a crash or a reboot. Return False if it was running already.

        Args:
            workloads: True for a member; False for Karmada's API, which has no scheduler and no pods.
            nodes: the number of simulated nodes.
        """
        if self.ready():
            return False
        if self.folder.exists():
            self._end("stop")
            self._kwokctl("start", "cluster", f"--wait={_START_SECONDS}s")
        else:
            self._create(workloads=workloads)
        self.kubeconfig.chmod(0o600)
        self._wait_ready()
        for index in range(nodes):
            self._ensure_node(index)
        return True

    def _wait_ready(self) -> None:
        """Wait until the API server answers; on a busy machine, kwokctl may return before that."""
        try:
            wait_until(self.ready, seconds=_START_SECONDS, doing=f"waiting for the cluster {self.name}")
        except SandboxError as error:
            logs = self.folder / "logs"
            raise SandboxError(f"{error.message}:\n{_last_lines(logs)}", hint=f"see the logs in {logs}") from None

    def down(self) -> None:
        """End the cluster's processes and remove its files."""
        if self.folder.exists():
            self._end("delete")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.kubeconfig.unlink(missing_ok=True)

    def _end(self, verb: str) -> None:
        """Let kwokctl stop or delete the cluster, and wait for the end of its processes.

        Kwokctl kills them and does not wait. A process that has not ended yet would keep its port and its files in use.
        """
        ours = self._processes()
        self._kwokctl(verb, "cluster")
        wait_until(
            lambda: all(start_time(pid) != started for pid, started in ours.items()),
            seconds=_STOP_SECONDS,
            doing=f"waiting for the end of the cluster {self.name}'s processes",
        )

    def _processes(self) -> dict[int, str]:
        """Return the cluster's processes: IDs with their start times.

        Records of IDs that belong to other processes since a reboot are removed; otherwise kwokctl would end those.
        """
        ours = {}
        for record in (self.folder / "pids").glob("*.pid"):
            text = record.read_text()
            pid = int(text) if text.isdecimal() else 0
            started = start_time(pid)
            if started is not None and str(self.folder) in command_line(pid):
                ours[pid] = started
            else:
                record.unlink()
        return ours

    def _create(self, *, workloads: bool) -> None:
        config = self.root / "config" / f"{self.name}.yaml"
        for folder in (config.parent, self.kubeconfig.parent):
            folder.mkdir(parents=True, exist_ok=True)
        documents = [self._config(workloads=workloads), self._logs(config.with_suffix(".log"))]
        documents += stages() if workloads else []
        config.write_text(yaml.safe_dump_all(documents))
        self._kwokctl("create", "cluster", f"--config={config}", f"--wait={_START_SECONDS}s")

    def _config(self, *, workloads: bool) -> dict[str, Any]:
        """Return kwokctl's configuration: loopback only, ports that are chosen now and kept, and our programs."""
        pki = self.pki
        ports = free_ports(6)
        options: dict[str, Any] = {
            "runtime": "binary",
            "kubeVersion": KUBERNETES,
            "bindAddress": LOOPBACK,
            "kubeApiserverPort": ports[0],
            "etcdPort": ports[1],
            "etcdPeerPort": ports[2],
            "kubeControllerManagerPort": ports[3],
            "kubeSchedulerPort": ports[4],
            "kwokControllerPort": ports[5],
            "disableQPSLimits": True,
            "quietPull": True,
        }
        for option, program in (
            ("etcdBinary", "etcd"),
            ("kubeApiserverBinary", "kube-apiserver"),
            ("kubeControllerManagerBinary", "kube-controller-manager"),
            ("kubeSchedulerBinary", "kube-scheduler"),
            ("kubectlBinary", "kubectl"),
            ("kwokControllerBinary", "kwok"),
        ):
            path = self.binaries.path(program)
            if path:
                options[option] = str(path)
        # The aggregation layer: without these flags, the API server can't authenticate users to Karmada's API server.
        arguments = {
            "requestheader-client-ca-file": f"{pki}/ca.crt",
            # kwokctl makes one certificate for all its clients, so its name is also that of the front proxy.
            "requestheader-allowed-names": "kwok-admin",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-username-headers": "X-Remote-User",
        }
        # There is one instance of each: leader election would only cost writes, and a wait after a restart.
        alone = {"leader-elect": "false"}
        controllers = _patch("kube-controller-manager", alone)
        patches = [_patch("kube-apiserver", arguments), controllers, _patch("kube-scheduler", alone)]
        if not workloads:
            options["disable"] = ["kube-scheduler", "kwok-controller"]
            # Karmada's API server has no ServiceAccount admission upstream, since templates name accounts of members.
            patches[0]["extraArgs"].append(
                {"key": "disable-admission-plugins", "value": "StorageObjectInUseProtection,ServiceAccount"}
            )
            # `karmadactl register` uses a bootstrap token.
            patches[0]["extraArgs"] += _arguments({"enable-bootstrap-token-auth": "true"})
            signing = {"cluster-signing-cert-file": f"{pki}/ca.crt", "cluster-signing-key-file": f"{pki}/ca.key"}
            controllers["extraArgs"] += _arguments({"controllers": _KARMADA_CONTROLLERS, **signing})
        return {
            "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
            "kind": "KwokctlConfiguration",
            "options": options,
            "componentsPatches": patches,
        }

    def _logs(self, file: Path) -> dict[str, Any]:
        """Return KWOK's configuration of logs: all pods have the same file, which says that they are simulated."""
        now = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
        lines = (f"{now} stdout F {text}\n" for text in _LOG)  # the format of container runtimes
        file.write_text("".join(lines))
        return {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterLogs",
            "metadata": {"name": "simulated"},
            "spec": {"logs": [{"logsFile": str(file)}]},
        }

    def _ensure_node(self, index: int) -> None:
        name = f"{self.name}-node-{index}"
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "status": {"capacity": _NODE_CAPACITY, "allocatable": _NODE_CAPACITY},
        }
        self.connection().apply(node, field_manager="flotilla-sandbox")

    def _kwokctl(self, *arguments: str) -> None:
        command = [str(self.binaries.kwokctl), *arguments, f"--name={self.name}"]
        if arguments[0] == "create":
            command.append(f"--kubeconfig={self.kubeconfig}")
        result = subprocess.run(
            command,
            env=children.environment(KWOK_WORKDIR=str(self.root / "kwok"), KUBECONFIG=str(self.kubeconfig)),
            capture_output=True,
            text=True,
            check=False,
            timeout=_START_SECONDS * 5,
        )
        if result.returncode != 0:
            last = "\n".join(result.stderr.strip().splitlines()[-5:])
            raise SandboxError(
                f"kwokctl {' '.join(arguments[:2])} failed for {self.name}:\n{last}",
                hint=f"see the logs in {self.folder / 'logs'}",
            )


def _last_lines(logs: Path) -> str:
    """Return the last line of each program's log, in which a program that ended says why."""
    texts = {file.stem: file.read_text(errors="replace").rstrip() for file in sorted(logs.glob("*.log"))}
    return "\n".join(f"{name}: {text.rpartition(chr(10))[2][:300]}" for name, text in texts.items())


def _patch(component: str, arguments: dict[str, str]) -> dict[str, Any]:
    return {"name": component, "extraArgs": _arguments(arguments)}


def _arguments(arguments: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in arguments.items()]
