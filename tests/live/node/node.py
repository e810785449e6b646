"""A real one-node cluster without Docker: containerd, a kubelet and a control plane in their own network.

Everything runs in one network namespace with a veth pair to this machine and no default route: no traffic leaves it,
and this machine's firewall stays unchanged. `down` reverts the changes of the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import yaml

from flotilla.karmada.installing import pki
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import ObjectRef, is_true
from tests.live.node import images

NAMESPACE = "flotilla-node"
OUTSIDE, ADDRESS = "10.213.0.1", "10.213.0.2"
PODS, SERVICES = "10.214.0.0/24", "10.215.0.0/24"
_FIRST_SERVICE = "10.215.0.1"
_INOTIFY = "fs/inotify/max_user_instances"
_SYSCTLS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops", _INOTIFY)
_WATCHERS = 1024
NEEDED = ("kubelet", "kube-proxy", "containerd", "containerd-shim-runc-v2", "ctr", "coredns", "cfssl", "cfssljson")
FROM_SYSTEM = ("runc", "iptables", "conntrack", "nsenter", "ip", "busybox", "openssl", "curl", "bash", "sed", "base64")
CNI = Path("/usr/lib/cni")
_NETWORKS = Path("/run/netns")


def missing() -> list[str]:
    """Return what a node needs and this machine lacks."""
    lacking = [name for name in (*NEEDED, *FROM_SYSTEM) if shutil.which(name) is None]
    if os.geteuid() != 0:
        lacking.append("root's rights")
    if not (CNI / "bridge").exists():
        lacking.append(f"CNI plugins in {CNI}")
    return lacking


class Node:
    """One node, in its own folder."""

    def __init__(self, folder: Path, programs: Path) -> None:
        """Store the folder of the node, and the folder with etcd and Kubernetes' programs."""
        self.folder = folder
        self._programs = programs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._forwarders: list[socket.socket] = []
        self._sysctls: dict[str, str] = {}
        self._networks: set[Path] = set()
        self.kubeconfig = folder / "kubeconfig"

    def connection(self) -> Connection:
        """Connect as administrator."""
        return Connection(kubeconfigs.select(kubeconfigs.load(self.kubeconfig.read_text())), name="the node")

    # -- up ---------------------------------------------------------------------------------------

    def up(self, archive: Path) -> None:
        """Start all processes, and wait until the node is ready."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in _SYSCTLS:
            self._sysctls[name] = Path("/proc/sys", name).read_text()
        # Every API server takes six inotify instances; the default of 128 for a user is too few for the pods.
        Path("/proc/sys", _INOTIFY).write_text(str(max(_WATCHERS, int(self._sysctls[_INOTIFY]))))
        self._networks = set(_NETWORKS.glob("*"))
        self._network()
        self._credentials()
        self._control_plane()
        self._runtime(archive)
        self._kubelet()
        self._wait(lambda: is_true(self.connection().get(ObjectRef("v1", "Node", "node")), "Ready"), "the node", 90)
        self._proxy_and_names()

    def _network(self) -> None:
        for command in (
            f"ip netns add {NAMESPACE}",
            f"ip link add fl-out type veth peer name fl-in netns {NAMESPACE}",
            f"ip addr add {OUTSIDE}/24 dev fl-out",
            "ip link set fl-out up",
            f"ip -n {NAMESPACE} addr add {ADDRESS}/24 dev fl-in",
            f"ip -n {NAMESPACE} link set fl-in up",
            f"ip -n {NAMESPACE} link set lo up",
            # Processes of the node connect to ClusterIPs before the translation, for which they need some route.
            f"ip -n {NAMESPACE} route add {SERVICES} dev fl-in",
        ):
            subprocess.run(command.split(), check=True, capture_output=True)
        self._inside("sysctl", "-qw", "net.ipv4.ip_forward=1")

    def _credentials(self) -> None:
        names = [ADDRESS, "127.0.0.1", "localhost", _FIRST_SERVICE, "kubernetes.default.svc", "kubernetes.default"]
        made = pki.issue(names, lifetime_days=90, ca_lifetime_days=100)
        for name, text in made.plain().items():
            self._file(f"pki/{name}", text)
        text = pki.kubeconfig(
            f"https://{ADDRESS}:6443", ca_cert=made.ca_cert, cert=made.admin_cert, key=made.admin_key, name="node"
        )
        self._file("kubeconfig", text)

    def _control_plane(self) -> None:
        at = self.folder / "pki"
        urls = "http://127.0.0.1:2379"
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={urls}",
            f"--advertise-client-urls={urls}",
            "--listen-peer-urls=http://127.0.0.1:2380",
            "--log-level=error",
            "--unsafe-no-fsync",
        )
        self._start(
            "kube-apiserver",
            f"--etcd-servers={urls}",
            f"--advertise-address={ADDRESS}",
            f"--service-cluster-ip-range={SERVICES}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
            f"--client-ca-file={at / 'ca_cert'}",
            f"--tls-cert-file={at / 'cert'}",
            f"--tls-private-key-file={at / 'key'}",
            f"--kubelet-client-certificate={at / 'admin_cert'}",
            f"--kubelet-client-key={at / 'admin_key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-key-file={at / 'key'}",
            f"--service-account-signing-key-file={at / 'key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
        )
        self._wait(lambda: self.connection().ready(doing="waiting") is None, "the API server", 60)
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={at / 'key'}",
            f"--root-ca-file={at / 'ca_cert'}",
            "--leader-elect=false",
            "--use-service-account-credentials=false",
        )
        self._start("kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false")

    def _runtime(self, archive: Path) -> None:
        ranges = [[{"subnet": PODS}]]
        bridge = {
            "type": "bridge",
            "bridge": "fl-pods",
            "isGateway": True,
            "ipMasq": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.folder / "ipam"),
                "ranges": ranges,
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        network = {"cniVersion": "1.0.0", "name": "node", "plugins": [bridge, ports]}
        self._file("cni/10-bridge.conflist", json.dumps(network))
        cri = "io.containerd.cri.v1"
        config = f"""
version = 3
root = "{self.folder / "containerd"}"
state = "{self.folder / "containerd-state"}"
[grpc]
  address = "{self._socket}"
[plugins."{cri}.images"]
  snapshotter = "overlayfs"
  [plugins."{cri}.images".pinned_images]
    sandbox = "flotilla.test/pause:1"
[plugins."{cri}.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."{cri}.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."{cri}.runtime".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."{cri}.runtime".cni]
    bin_dirs = ["{CNI}"]
    conf_dir = "{self.folder / "cni"}"
"""
        self._start("containerd", f"--config={self._file('containerd.toml', config)}")
        self._wait(self._socket.exists, "containerd", 30)
        ctr = ["ctr", f"--address={self._socket}", "--namespace=k8s.io", "images", "import", "--local", str(archive)]
        subprocess.run(ctr, check=True, capture_output=True, timeout=180)

    def _kubelet(self) -> None:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "x509": {"clientCAFile": str(self.folder / "pki" / "ca_cert")},
                "webhook": {"enabled": False},
                "anonymous": {"enabled": False},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "clusterDNS": [ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self._file("resolv.conf", "")),
            "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "podLogsDir": str(self.folder / "pod-logs"),
        }
        self._start(
            "kubelet",
            f"--config={self._file('kubelet.yaml', yaml.safe_dump(config))}",
            f"--kubeconfig={self.kubeconfig}",
            f"--root-dir={self.folder / 'kubelet'}",
            f"--node-ip={ADDRESS}",
            "--hostname-override=node",
        )

    def _proxy_and_names(self) -> None:
        self._start(
            "kube-proxy",
            f"--kubeconfig={self.kubeconfig}",
            "--proxy-mode=iptables",
            "--hostname-override=node",
            "--conntrack-max-per-core=0",
            f"--cluster-cidr={PODS}",
        )
        corefile = (
            f".:53 {{\n bind {ADDRESS}\n kubernetes cluster.local {{\n kubeconfig {self.kubeconfig} node\n }}\n}}\n"
        )
        self._start("coredns", f"-conf={self._file('Corefile', corefile)}")

    # -- access for pods ---------------------------------------------------------------------------------

    def forward(self, port: int) -> str:
        """Let pods reach a server on this machine's loopback; return the URL's host and port."""
        listener = socket.create_server((OUTSIDE, 0))
        self._forwarders.append(listener)
        threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
        return f"{OUTSIDE}:{listener.getsockname()[1]}"

    # -- down -------------------------------------------------------------------------------------

    def down(self) -> None:
        """Stop everything and revert the changes of the machine."""
        for listener in self._forwarders:
            listener.close()
        for name in ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns"):
            self._stop(name)
        if "containerd" in self._running:
            self._end_containers()
        for name in ("containerd", "kube-apiserver", "etcd"):
            self._stop(name)
        self._unmount()
        for network in set(_NETWORKS.glob("*")) - self._networks:  # of the node and its pods
            subprocess.run(["ip", "netns", "del", network.name], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", "fl-out"], check=False, capture_output=True)
        for name, value in self._sysctls.items():
            Path("/proc/sys", name).write_text(value)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_containers(self) -> None:
        ctr = ["ctr", f"--address={self._socket}", "--namespace=k8s.io"]
        listed = subprocess.run([*ctr, "tasks", "list", "-q"], capture_output=True, text=True, check=False).stdout
        for task in listed.split():
            subprocess.run([*ctr, "tasks", "delete", "--force", task], capture_output=True, check=False, timeout=60)
        listed = subprocess.run([*ctr, "containers", "list", "-q"], capture_output=True, text=True, check=False).stdout
        for container in listed.split():
            subprocess.run([*ctr, "containers", "delete", container], capture_output=True, check=False, timeout=60)

    def _unmount(self) -> None:
        mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self.folder))), reverse=True):
            subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)

    # -- processes --------------------------------------------------------------------------------

    @property
    def _socket(self) -> Path:
        return self.folder / "containerd.sock"

    def _file(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def _inside(self, *command: str) -> None:
        subprocess.run(["nsenter", f"--net=/run/netns/{NAMESPACE}", *command], check=True, capture_output=True)

    def _start(self, name: str, *arguments: str) -> None:
        program = self._programs / name
        path = str(program) if program.exists() else str(shutil.which(name))
        with (self.folder / f"{name}.log").open("wb") as log:
            self._running[name] = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{NAMESPACE}", path, *arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
            )

    def _stop(self, name: str) -> None:
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _wait(self, check, what: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            with contextlib.suppress(Exception):
                if check():
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} is not ready after {seconds:.0f} s; see the logs in {self.folder}")
            time.sleep(0.3)


def _serve(listener: socket.socket, port: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            incoming, _ = listener.accept()
            outgoing = socket.create_connection(("127.0.0.1", port))
            for one, other in ((incoming, outgoing), (outgoing, incoming)):
                threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(1 << 16):
            other.sendall(data)
    for end in (one, other):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


def image_archive(folder: Path, kubernetes: Path, karmada: Path, names: dict[str, list[str]]) -> Path:
    """Write the archive with everything that Karmada's chart and nginx's stand-in need.

    Args:
        folder: the folder of the archive.
        kubernetes: the folder of etcd and Kubernetes' programs.
        karmada: the folder of Karmada's programs.
        names: entrypoints by full name with tag.
    """

    def found(name: str) -> Path:
        return Path(str(shutil.which(name))).resolve()

    programs = {f"/usr/local/bin/{name}": kubernetes / name for name in ("etcd",)}
    for name in ("kube-apiserver", "kube-controller-manager", "kubectl"):
        programs[f"/usr/local/bin/{name}"] = kubernetes / name
    for program in karmada.glob("karmada-*"):
        programs[f"/bin/{program.name}"] = program
    for name in ("bash", "sed", "base64", "openssl", "curl", "cfssl", "cfssljson", "tr"):
        programs[f"/usr/bin/{name}"] = found(name)
    programs["/bin/sh"] = found("bash")
    programs["/bin/busybox"] = found("busybox")
    programs["/usr/lib/ssl/openssl.cnf"] = Path("/etc/ssl/openssl.cnf")
    content = folder / "layer.tar"
    images.layer(programs, content)
    target = folder / "images.tar"
    images.archive(content, {"flotilla.test/pause:1": ["/bin/busybox", "sleep", "infinity"], **names}, target)
    content.unlink()
    return target
