"""Checks what a stack needs on this machine and in its clusters; nothing is changed."""

from __future__ import annotations

import errno
import re
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from flotilla.deploy.engines import missing_for_cli
from flotilla.errors import FlotillaError
from flotilla.karmada.installing import host, pki
from flotilla.karmada.installing.chart import COMPONENTS
from flotilla.kube import children
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.kind import Kind, KindError
from flotilla.stack.charts import INSTALL_HELM, OLDEST_HELM
from flotilla.stack.clusters import KindCluster
from flotilla.stack.files import ManifestFiles, kubeconfig_text, manifest_files, resolve
from flotilla.stack.fleet import Fleet
from flotilla.stack.helm import CHART_REPOSITORY, HelmControlPlane
from flotilla.stack.installation import release_values
from flotilla.stack.members import JoinMode
from flotilla.stack.sources import INSTALL_KUSTOMIZE
from flotilla.workloads.manifests import ManifestError
from flotilla.workloads.sops import INSTALL as INSTALL_SOPS

_GIB = 2**30
_KIND_NODE_GIB = 4
# From kind's known issues ("too many open files"): several nodes need more than the kernel's default of 128 instances.
_KIND_INOTIFY = {"max_user_instances": 512, "max_user_watches": 524288}


class Health(StrEnum):
    """The result of a check."""

    FINE = "fine"
    NOTE = "note"
    """Something is missing or unknown, but the stack works without it."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """The result of one check, for display."""

    what: str
    health: Health
    seen: str
    remedy: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON data."""
        return {"what": self.what, "health": str(self.health), "seen": self.seen, "remedy": self.remedy}


def examine(fleet: Fleet, base: Path, *, seconds: float = 5.0) -> list[Finding]:
    """Check everything that a fleet needs.

    Args:
        fleet: the stack's fleet.
        base: the project's folder.
        seconds: how long one cluster or registry may take to answer.
    """
    checks = [*_tools(fleet), *_sops(fleet, base), *_clusters(fleet, base, seconds), *_machine(fleet)]
    if fleet.control_plane.helm:
        checks += _installation(fleet.control_plane.helm, fleet.control_plane.release, base, seconds)
    with ThreadPoolExecutor(16) as pool:  # most checks wait for the network
        return list(pool.map(lambda check: check(), checks))


Check = Callable[[], Finding]


def _fine(what: str, seen: str) -> Finding:
    return Finding(what, Health.FINE, seen)


def _wrong(what: str, seen: str, remedy: str) -> Finding:
    return Finding(what, Health.WRONG, seen, remedy)


# -- programs -------------------------------------------------------------------------------------


def _tools(fleet: Fleet) -> Iterator[Check]:
    yield _pulumi
    if fleet.control_plane.helm or any(workload.chart for workload in fleet.workloads):
        yield partial(_program, "helm", ("version", "--short"), OLDEST_HELM, INSTALL_HELM)
    if any(workload.kustomize for workload in fleet.workloads):
        yield _kustomize
    for runtime in sorted({cluster.runtime.value for cluster in fleet.clusters}):
        yield partial(_program, "kind", ("version",), (0, 24), "install kind 0.24 or newer: kind.sigs.k8s.io")
        yield partial(_runtime, runtime)


def _sops(fleet: Fleet, base: Path) -> Iterator[Check]:
    files = ManifestFiles(base)
    entries = [entry for workload in fleet.workloads for entry in manifest_files(workload.manifests, files)]
    for entry in entries:
        with suppress(FlotillaError, ManifestError):  # `validate` says what is wrong
            files.read(entry.file)
    if any(files.encrypted(entry.file) for entry in entries):
        yield partial(_program, "sops", ("--version", "--disable-version-check"), (3, 7), INSTALL_SOPS)


def _kustomize() -> Finding:
    if shutil.which("kustomize") is None and shutil.which("kubectl"):
        return _program("kubectl", ("version", "--client"), (1, 27), INSTALL_KUSTOMIZE)
    return _program("kustomize", ("version",), (5, 0), INSTALL_KUSTOMIZE)


def _pulumi() -> Finding:
    missing = missing_for_cli()
    if missing:
        seen = f"no {' and no '.join(missing)} on the PATH: the embedded engine runs the stack"
        return Finding("pulumi", Health.NOTE, seen)
    return _program("pulumi", ("version",), (3, 100), "update Pulumi")


def _program(name: str, arguments: tuple[str, ...], oldest: tuple[int, int], remedy: str) -> Finding:
    path = shutil.which(name)
    if path is None:
        return _wrong(name, "is not on the PATH", remedy)
    try:
        result = subprocess.run(
            [path, *arguments], env=children.environment(), capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _wrong(name, f"{path} doesn't run: {error}", remedy)
    found = re.search(r"v?(\d+)\.(\d+)(\.\d+)?", result.stdout + result.stderr)
    if not found:
        return _wrong(name, f"{path} doesn't say its version", remedy)
    version = (int(found[1]), int(found[2]))
    if version < oldest:
        return _wrong(name, f"{found[0]} is older than {oldest[0]}.{oldest[1]}", remedy)
    return _fine(name, f"{found[0]} ({path})")


def _runtime(runtime: str) -> Finding:
    path = shutil.which(runtime)
    if path is None:
        return _wrong(runtime, "is not on the PATH, and kind runs nodes with it", f"install {runtime}")
    try:
        Kind(runtime).clusters()
    except KindError as error:
        return _wrong(runtime, error.message, f"start {runtime}")
    return _fine(runtime, "answers")


# -- clusters -------------------------------------------------------------------------------------


def _clusters(fleet: Fleet, base: Path, seconds: float) -> Iterator[Check]:
    sources = [(member.name, member.kubeconfig) for member in fleet.members]
    if fleet.control_plane.kubeconfig:
        sources.insert(0, ("Karmada", fleet.control_plane.kubeconfig))
    if fleet.control_plane.helm:
        sources.insert(0, ("the host cluster", fleet.control_plane.helm.host))
    for name, source in sources:
        if source.cluster is not None:
            made = f"{source.cluster} is made by {'stack ' + source.stack if source.stack else 'this stack'}"
            yield partial(_fine, name, made)
        elif source.inline is not None and source.inline.get_secret_value() == "[secret]":
            seen = "its kubeconfig is encrypted in the stack file; a preview checks it"
            yield partial(Finding, name, Health.NOTE, seen)
        else:
            yield partial(_cluster, name, kubeconfig_text(source, base), seconds)
    for member in fleet.members:
        if member.mode is JoinMode.PUSH and member.api_endpoint:
            yield partial(_endpoint, member.name, str(member.api_endpoint), seconds)


def _cluster(name: str, kubeconfig: str, seconds: float) -> Finding:
    document = kubeconfigs.load(kubeconfig)
    server = kubeconfigs.server(document)
    try:
        answer = Connection(document, name=name, timeout=seconds).request("GET", "/version", doing="asking for it")
    except FlotillaError as error:
        return _wrong(name, f"{server}: {error.message}", "start it, or correct its kubeconfig")
    return _fine(name, f"{server} answers, Kubernetes {answer.get('gitVersion', 'of no known version')}")


def _endpoint(name: str, url: str, seconds: float) -> Finding:
    """Check whether the URL for Karmada can be reached from this machine; it is not checked from Karmada's pods."""
    parsed = urlparse(url)
    what = f"{name}'s apiEndpoint"
    if parsed.hostname in ("localhost", "127.0.0.1", "::1"):
        return Finding(what, Health.NOTE, f"{url} is loopback: it serves only where Karmada runs on this machine")
    try:
        with socket.create_connection((parsed.hostname or "", parsed.port or 443), timeout=seconds):
            return _fine(what, f"{url} is open from here")
    except OSError as error:
        seen = f"{url} can't be reached from here: {error.strerror or error}"
        return Finding(what, Health.NOTE, seen, "Karmada's pods must reach it; ask from the host cluster")


# -- this machine ---------------------------------------------------------------------------------


def _machine(fleet: Fleet) -> Iterator[Check]:
    if not fleet.clusters:
        return
    nodes = sum(max(1, len(cluster.nodes)) for cluster in fleet.clusters)
    yield partial(_disk, nodes)
    ranges = ", ".join(f"{c.name} {c.pod_subnet} and {c.service_subnet}" for c in fleet.clusters)
    yield partial(_fine, "subnets", f"apart: {ranges}")  # overlapping subnets make a stack file invalid
    for name, needed in _KIND_INOTIFY.items():
        yield partial(_inotify, name, needed)
    for cluster in fleet.clusters:
        for address, port in _ports(cluster):
            yield partial(_port, cluster, address, port)


def _disk(nodes: int) -> Finding:
    free = shutil.disk_usage("/").free // _GIB
    needed = nodes * _KIND_NODE_GIB
    if free < needed:
        return _wrong("disk", f"{free} GiB free; {nodes} kind nodes take about {needed}", "make room")
    return _fine("disk", f"{free} GiB free for {nodes} kind nodes")


def _inotify(name: str, needed: int) -> Finding:
    try:
        limit = int(Path(f"/proc/sys/fs/inotify/{name}").read_text())
    except OSError:
        return Finding(f"fs.inotify.{name}", Health.NOTE, "is not known on this system")
    if limit < needed:
        return _wrong(
            f"fs.inotify.{name}",
            f"{limit}; kind's nodes fail with 'too many open files' below {needed}",
            f"sysctl fs.inotify.{name}={needed}",
        )
    return _fine(f"fs.inotify.{name}", str(limit))


def _ports(cluster: KindCluster) -> Iterator[tuple[str, int]]:
    if cluster.networking.api_server_port > 0:
        yield cluster.networking.api_server_address, cluster.networking.api_server_port
    for node in cluster.nodes:
        for mapping in node.extra_port_mappings:
            if mapping.host_port > 0:
                yield mapping.listen_address, mapping.host_port


def _port(cluster: KindCluster, address: str, port: int) -> Finding:
    what = f"port {port} for {cluster.name}"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
    except OSError as error:
        try:
            if cluster.name in Kind(cluster.runtime.value).clusters():
                return _fine(what, f"is used by {cluster.name}, which exists already")
        except KindError:
            pass
        if error.errno == errno.EADDRNOTAVAIL:
            return _wrong(what, f"{address} is no address of this machine", "use an address of this machine")
        return _wrong(
            what, f"{address}: {error.strerror}", "end the process that listens there, or choose another port"
        )
    return _fine(what, f"is free on {address}")


# -- Karmada by its chart -------------------------------------------------------------------------


def _installation(helm: HelmControlPlane, version: str, base: Path, seconds: float) -> Iterator[Check]:
    yield partial(_chart, helm, version, base, seconds)
    for registry in sorted(_registries(helm, version)):
        yield partial(_registry, registry, seconds)
    yield partial(_certificate, helm, seconds)
    if helm.host.cluster is None and (helm.host.inline is None or helm.host.inline.get_secret_value() != "[secret]"):
        yield partial(_release, kubeconfig_text(helm.host, base), seconds)


def _chart(helm: HelmControlPlane, version: str, base: Path, seconds: float) -> Finding:
    chart = helm.chart
    if chart.path:
        return _fine("chart", str(resolve(chart.path, base)))
    if chart.oci:
        return _registry(urlparse(chart.oci).netloc, seconds)
    repository = (chart.repository or CHART_REPOSITORY).rstrip("/")
    wanted = chart.version or version
    try:
        with urllib.request.urlopen(f"{repository}/index.yaml", timeout=seconds) as answer:  # noqa: S310 - the user's URL
            index = answer.read().decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        remedy = "give chart.path or chart.oci if this machine can't reach it"
        return _wrong("chart", f"{repository} can't be reached: {getattr(error, 'reason', error)}", remedy)
    if not re.search(rf"^\s*version:\s*[\"']?v?{re.escape(wanted)}[\"']?\s*$", index, re.MULTILINE):
        remedy = "the public index lags: name chart.version, or give chart.path"
        return _wrong("chart", f"{repository} has no version {wanted}", remedy)
    return _fine("chart", f"{wanted} in {repository}")


def _registries(helm: HelmControlPlane, version: str) -> set[str]:
    """Return the registries of the images."""
    if helm.images.registry:
        return {helm.images.registry.partition("/")[0]}
    values = release_values(helm, version)
    found = set()
    for component in COMPONENTS.values():
        value: Any = values
        for step in (*component.path.split("."), "image", "registry"):
            value = (value or {}).get(step)
        found.add(str(value or component.registry))
    return found


def _registry(registry: str, seconds: float) -> Finding:
    """Check whether a registry answers; a request for authentication is an answer too."""
    asked = "registry-1.docker.io" if registry == "docker.io" else registry
    what = f"registry {registry}"
    try:
        with urllib.request.urlopen(f"https://{asked}/v2/", timeout=seconds):
            return _fine(what, "answers this machine")
    except urllib.error.HTTPError as error:
        return _fine(what, f"answers this machine ({error.code})")
    except (OSError, ValueError) as error:
        seen = f"can't be reached from this machine: {getattr(error, 'reason', error)}"
        return Finding(what, Health.NOTE, seen, "nodes must reach it: give images.registry a mirror, or preload images")


def _certificate(helm: HelmControlPlane, seconds: float) -> Finding:
    """Check whether the certificate served at the published address names that address; it may not be served yet."""
    endpoint = helm.endpoint
    port = urlparse(endpoint.url).port or 443
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE  # the certificate is only read, and nothing is sent
    try:
        with (
            socket.create_connection((endpoint.address, port), timeout=seconds) as plain,
            trust.wrap_socket(plain, server_hostname=endpoint.address) as secured,
        ):
            pem = ssl.DER_cert_to_PEM_cert(secured.getpeercert(binary_form=True) or b"")
    except OSError:
        return Finding("published address", Health.NOTE, f"{endpoint.url} doesn't answer yet")
    if not pki.covers(pem, endpoint.address):
        remedy = "certificates.mode custom renews it by plan; with auto, install Karmada again"
        return _wrong("published address", f"the certificate at {endpoint.url} doesn't name it", remedy)
    return _fine("published address", f"{endpoint.url} is in its certificate, which ends {pki.expires(pem):%Y-%m-%d}")


def _release(kubeconfig: str, seconds: float) -> Finding:
    try:
        said = host.stuck(Connection(kubeconfigs.load(kubeconfig), name="the host cluster", timeout=seconds))
    except FlotillaError as error:
        return _wrong("release karmada", error.message, "repair the host cluster first")
    if said:
        seen, _, remedy = said.partition("; ")
        return _wrong("release karmada", seen, remedy)
    return _fine("release karmada", "is not stuck")
