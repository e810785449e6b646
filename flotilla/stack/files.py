"""Checks of the files that a fleet names: kubeconfigs with their contexts, and manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flotilla.karmada.kinds import namespace_of
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.kubeconfig import KubeconfigError
from flotilla.kube.kubeconfig_rules import same_server, url_problem
from flotilla.kube.objects import Object
from flotilla.kube.reading import UnreadableFile, located, read_text
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.members import Member
from flotilla.stack.names import ObjectNames
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.manifests import ManifestError, parse_manifests


def resolve(path: str, base: Path) -> Path:
    """Return a path of a stack file as an absolute one.

    Raises:
        UnreadableFile: it can't be a path.
    """
    return located(path, base)


def kubeconfig_text(source: Kubeconfig, base: Path) -> str:
    """Return a self-contained kubeconfig with one context; not for clusters that a stack makes.

    Raises:
        KubeconfigError: the file can't be read, isn't a kubeconfig, or has no such context.
    """
    if source.inline is not None:
        document = kubeconfigs.load(source.inline.get_secret_value(), origin="the inline kubeconfig")
        return kubeconfigs.dump(kubeconfigs.checked(kubeconfigs.select(document, source.context)))
    try:
        file = resolve(source.path or "", base)
    except UnreadableFile as error:
        raise KubeconfigError(error.message) from None
    chosen = kubeconfigs.select(kubeconfigs.read(file), source.context, base=file.parent)
    return kubeconfigs.dump(kubeconfigs.checked(chosen))


class ManifestFiles:
    """The manifests that a stack names. Each file is read once, as long as this lives: that is one run."""

    def __init__(self, base: Path) -> None:
        """Take the project's folder, which paths refer to."""
        self._base = base
        self._read: dict[Path, list[Object]] = {}

    def read(self, path: str) -> list[Object]:
        """Return the objects of a file, lists unfolded. They are shared: nobody changes them.

        Raises:
            UnreadableFile: the file can't be read.
            ManifestError: it isn't YAML, or holds something that is no Kubernetes object.
        """
        file = resolve(path, self._base)
        if file not in self._read:
            self._read[file] = parse_manifests(read_text(file))
        return list(self._read[file])


def read_manifests(workload: Workload, files: ManifestFiles) -> list[Object]:
    """Return the objects of a workload's manifests, in file order, lists unfolded.

    Raises:
        ConfigError: a file that can't be read, isn't YAML or holds something that is no Kubernetes object.
    """
    objects: list[Object] = []
    problems: list[Problem] = []
    for index, name in enumerate(workload.manifests):
        where = f"{workload.name}.manifests[{index}]"
        try:
            objects += files.read(name)
        except UnreadableFile as error:
            problems.append(Problem(where, error.message))
        except ManifestError as error:
            problems += [Problem(where, problem) for problem in error.problems]
    if problems:
        raise ConfigError(problems)
    return objects


def check_files(
    control_plane: ControlPlane | None,
    members: list[tuple[int, Member]],
    workloads: list[tuple[int, Workload]],
    base: Path,
    manifests: ManifestFiles,
) -> list[Problem]:
    """Check that every kubeconfig is there and has its context, and every manifest can be read."""
    problems: list[Problem] = []
    servers, names = _Servers(), ObjectNames()
    if control_plane and control_plane.kubeconfig:
        problems += _check_kubeconfig("controlPlane.kubeconfig", control_plane.kubeconfig, base, servers)
    if control_plane and control_plane.helm:
        problems += _check_kubeconfig("controlPlane.helm.host", control_plane.helm.host, base, None)
        problems += _check_chart("controlPlane.helm.chart.path", control_plane.helm.chart.path, base)
    for index, member in members:
        problems += _check_kubeconfig(f"members[{index}].kubeconfig", member.kubeconfig, base, servers)
    for index, workload in workloads:
        problems += _check_manifests(f"workloads[{index}].manifests", workload, manifests, names)
    return problems


class _Servers:
    """Which entry of the stack leads to which API server: a cluster can't join twice, and Karmada can't join itself."""

    def __init__(self) -> None:
        self._paths: dict[tuple[str, ...], str] = {}

    def check(self, path: str, key: tuple[str, ...]) -> list[Problem]:
        """Record an entry; return a problem where another one leads to the same API server."""
        other = self._paths.setdefault(key, path)
        if other == path:
            return []
        if other.startswith("members"):
            why = "one cluster can't join twice: taking one of the two out would take the other's access away"
        else:
            why = "Karmada itself can't be one of its members"
        remedy = "give each member its own cluster's kubeconfig or context, or drop one of the two"
        return [Problem(path, f"leads to the same server as {other.removesuffix('.kubeconfig')}", why, remedy)]


def _check_kubeconfig(path: str, source: Kubeconfig, base: Path, servers: _Servers | None) -> list[Problem]:
    if source.cluster is not None:  # a stack makes it
        return servers.check(path, ("kind", source.stack or "", source.cluster)) if servers else []
    if source.inline is not None and source.inline.get_secret_value() == "[secret]":
        return []  # encrypted: only the program, which has the key, can look into it
    value: Any = source.path or ""
    try:
        text = kubeconfig_text(source, base)
        cluster = kubeconfigs.load(text)["clusters"][0]["cluster"]
    except KubeconfigError as error:
        return [
            Problem(
                path,
                error.message,
                "the cluster could not be reached",
                "give an existing file and one of its contexts",
                f'"{value}"' if value else "",
            )
        ]
    wrong = url_problem(cluster.get("server") or "")
    if wrong:
        return [Problem(path, f"its cluster's server {wrong}", "the cluster could not be reached", "write https://…")]
    return servers.check(path, same_server(cluster)) if servers else []


def _check_chart(where: str, path: str | None, base: Path) -> list[Problem]:
    if path is None:
        return []
    try:
        place = resolve(path, base)
        if place.is_file() or (place / "Chart.yaml").is_file():
            return []
    except (OSError, ValueError, UnreadableFile):  # a name that no file has
        place = Path(path)
    return [
        Problem(
            where, f"{place} is no chart", "there is nothing to install", "give a chart's folder or .tgz", f'"{path}"'
        )
    ]


def _check_manifests(path: str, workload: Workload, files: ManifestFiles, names: ObjectNames) -> list[Problem]:
    problems = []
    seen: dict[tuple[str, str, str, str], str] = {}
    for index, name in enumerate(workload.manifests):
        where = f"{path}[{index}]"
        try:
            objects = files.read(name)
        except UnreadableFile as error:
            remedy = "give an existing file"
            problems.append(Problem(where, error.message, "there would be nothing to run", remedy, f'"{name}"'))
            continue
        except ManifestError as error:
            why = "there would be nothing to run"
            problems += [Problem(where, one, why, "fix the file", f'"{name}"') for one in error.problems]
            continue
        for item in objects:
            problems += _check_manifest(where, item, name, workload, seen)
            problems += names.check(where, workload, item)
    return problems


def _check_manifest(
    where: str, item: Object, file: str, workload: Workload, seen: dict[tuple[str, str, str, str], str]
) -> list[Problem]:
    meta = item["metadata"]
    problems = []
    key = (item["apiVersion"], item["kind"], namespace_of(item, workload.namespace), meta["name"])
    if key in seen:
        problems.append(
            Problem(
                where,
                f"{item['kind']} {meta['name']} occurs twice, in {seen[key]} too",
                "one would overwrite the other",
                "remove one",
            )
        )
    seen[key] = file
    return problems
