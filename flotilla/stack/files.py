"""Checks of the files that a fleet names: kubeconfigs with their contexts, and manifests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from flotilla.karmada.kinds import namespace_of
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.kubeconfig import KubeconfigError
from flotilla.kube.kubeconfig_rules import same_server, url_problem
from flotilla.kube.objects import Object
from flotilla.kube.reading import UnreadableFile, located, read_text
from flotilla.kube.secrecy import remember, secret_texts
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.members import Member
from flotilla.stack.names import ObjectNames
from flotilla.stack.placed import is_placed, placed
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads import sops
from flotilla.workloads.listing import files_of
from flotilla.workloads.manifests import ManifestError, NoObjects, parse_manifests
from flotilla.workloads.sources.renderings import Renderings
from flotilla.workloads.sources.shape import SourceError


def resolve(path: str, base: Path) -> Path:
    """Return a path of a stack file as an absolute path.

    Raises:
        UnreadableFile: the text is not a valid path.
    """
    return located(path, base)


def kubeconfig_text(source: Kubeconfig, base: Path) -> str:
    """Return a self-contained kubeconfig with one context, as a string; not for clusters that a stack makes.

    Raises:
        KubeconfigError: the file can't be read, isn't a kubeconfig, or has no such context.
    """
    return kubeconfigs.dump(_kubeconfig(source, base))


def _kubeconfig(source: Kubeconfig, base: Path) -> Object:
    """Return the content of `kubeconfig_text` as an object: to dump it takes longer than all checks of it."""
    if source.inline is not None:
        document = kubeconfigs.load(source.inline.get_secret_value(), origin="the inline kubeconfig")
        return kubeconfigs.checked(kubeconfigs.select(document, source.context))
    try:
        file = resolve(source.path or "", base)
    except UnreadableFile as error:
        raise KubeconfigError(error.message) from None
    chosen = kubeconfigs.select(kubeconfigs.read(file), source.context, base=file.parent)
    return kubeconfigs.checked(chosen)


class ManifestFiles:
    """The manifests that a stack names. Each file is read once in the lifetime of this object, which is one run."""

    def __init__(self, base: Path, *, opened: Callable[[Path], str] | None = None, programs: bool = True) -> None:
        """Store the project's folder, to which paths are relative.

        Args:
            base: the folder.
            opened: decrypts a file that is encrypted with SOPS; without it, placeholders replace its values.
            programs: whether programs may be started to render charts and kustomizations.
        """
        self._base = base
        self._opened = opened
        self._listed: dict[str, list[str]] = {}
        self._read: dict[Path, list[Object] | UnreadableFile | ManifestError] = {}
        self._encrypted: set[Path] = set()
        self.renderings = Renderings(base, programs=programs)

    def files(self, entry: str) -> list[str]:
        """Return the files that an entry of `manifests` names; the first answer is stored.

        Raises:
            UnreadableFile: it names no file, or files that Flotilla doesn't read.
        """
        if entry not in self._listed:
            self._listed[entry] = [entry] if is_placed(entry) else files_of(entry, self._base)
        return self._listed[entry]

    def read(self, path: str) -> list[Object]:
        """Return the objects of a file, lists unfolded. The objects are shared: callers must not change them.

        Raises:
            UnreadableFile: the file can't be read or decrypted.
            ManifestError: it isn't YAML, or contains something that is not a Kubernetes object.
        """
        file = resolve(path, self._base)
        if file not in self._read:
            try:
                self._read[file] = placed(path, veiled=not self._opened) if is_placed(path) else self._objects(file)
            except (UnreadableFile, ManifestError) as error:
                self._read[file] = error
        found = self._read[file]
        if isinstance(found, Exception):
            raise found
        return list(found)

    def put(self, path: str, objects: list[Object]) -> None:
        """Store objects for a file that isn't written yet, as if it had been read."""
        self._read[resolve(path, self._base)] = list(objects)

    def objects(self, entry: Entry) -> list[Object]:
        """Return the objects of a file; none for an empty file that only a folder or a pattern names, as kubectl does.

        Raises:
            UnreadableFile: the entry names no file, or one that can't be read or decrypted.
            ManifestError: it isn't YAML, contains something that is not a Kubernetes object, or is empty but named.
        """
        if entry.error:
            raise entry.error
        try:
            return self.read(entry.file)
        except NoObjects:
            if entry.named:
                raise
            return []

    def encrypted(self, path: str) -> bool:
        """Return whether a file that was read is encrypted with SOPS."""
        return resolve(path, self._base) in self._encrypted

    def _objects(self, file: Path) -> list[Object]:
        text = read_text(file)
        documents = sops.documents_of(text)
        if documents is None:
            return parse_manifests(text)
        self._encrypted.add(file)
        objects = parse_manifests(text, sops.veiled(documents))
        if self._opened is None:
            return objects
        objects = parse_manifests(self._opened(file))
        remember(*secret_texts(objects))
        return objects


class Entry(NamedTuple):
    """One file of a workload's manifests, or the reason why an entry names no file."""

    position: int
    """The entry's place in `manifests`."""
    file: str
    """The file's path, in the form of the stack file."""
    named: bool = True
    """The entry is this path itself, not a folder or a pattern."""
    error: UnreadableFile | None = None


def manifest_files(manifests: Iterable[str], files: ManifestFiles) -> Iterator[Entry]:
    """Yield each file that the entries of `manifests` name, once, in the order of the entries."""
    seen: set[str] = set()
    for index, entry in enumerate(manifests):
        try:
            found = files.files(entry)
        except UnreadableFile as error:
            yield Entry(index, entry, error=error)
            continue
        for file in found:
            name = os.path.normpath(file)
            if name not in seen:
                seen.add(name)
                yield Entry(index, file, named=file == entry)


def read_manifests(workload: Workload, files: ManifestFiles) -> list[Object]:
    """Return the objects of a workload's manifests, chart, kustomization or own source, in their order, lists unfolded.

    Raises:
        ConfigError: a file can't be read, isn't YAML or contains something that is not a Kubernetes object; or a chart
            or kustomization can't be rendered.
    """
    if workload.is_rendered:
        try:
            return files.renderings.of(workload).objects
        except SourceError as error:
            raise ConfigError(error.of(workload.name)) from None
    objects: list[Object] = []
    problems: list[Problem] = []
    for entry in manifest_files(workload.manifests, files):
        where = f"{workload.name}.manifests[{entry.position}]"
        try:
            objects += files.objects(entry)
        except UnreadableFile as error:
            problems.append(Problem(where, error.message, remedy=error.hint))
        except ManifestError as error:
            problems += [Problem(where, problem, value=f'"{entry.file}"') for problem in error.problems]
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
    """Check that every kubeconfig exists and has its context, and that every manifest, chart, ... can be read."""
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
        if workload.is_rendered:
            problems += _check_rendered(f"workloads[{index}]", workload, base, manifests, names)
    return problems


class _Servers:
    """The API server of each entry of the stack: a cluster can't join twice, and Karmada can't join itself."""

    def __init__(self) -> None:
        self._paths: dict[tuple[str, ...], str] = {}

    def check(self, path: str, key: tuple[str, ...]) -> list[Problem]:
        """Record the API server of an entry; return a problem where another entry has the same one."""
        other = self._paths.setdefault(key, path)
        if other == path:
            return []
        if other.startswith("members"):
            why = "one cluster can't join twice: removing one of the two would remove the other's access"
        else:
            why = "Karmada itself can't be one of its members"
        remedy = "give each member its own cluster's kubeconfig or context, or remove one of the two"
        return [Problem(path, f"leads to the same server as {other.removesuffix('.kubeconfig')}", why, remedy)]


def _check_kubeconfig(path: str, source: Kubeconfig, base: Path, servers: _Servers | None) -> list[Problem]:
    if source.cluster is not None:  # a stack makes it
        return servers.check(path, ("kind", source.stack or "", source.cluster)) if servers else []
    if source.inline is not None and source.inline.get_secret_value() == "[secret]":
        return []  # encrypted: only the program, which has the key, can check it
    value: Any = source.path or ""
    try:
        cluster = _kubeconfig(source, base)["clusters"][0]["cluster"]
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
    except (OSError, ValueError, UnreadableFile):  # no file can have such a name
        place = Path(path)
    return [
        Problem(
            where,
            f"{place} is not a chart",
            "there is nothing to install",
            "give a chart's folder or .tgz",
            f'"{path}"',
        )
    ]


def _check_manifests(path: str, workload: Workload, files: ManifestFiles, names: ObjectNames) -> list[Problem]:
    problems = []
    seen: dict[tuple[str, str, str, str], str] = {}
    for entry in manifest_files(workload.manifests, files):
        where, value = f"{path}[{entry.position}]", f'"{entry.file}"'
        why = "there would be nothing to run"
        try:
            objects = files.objects(entry)
        except UnreadableFile as error:
            problems.append(Problem(where, error.message, why, error.hint or "give an existing file", value))
            continue
        except ManifestError as error:
            problems += [Problem(where, one, why, "fix the file", value) for one in error.problems]
            continue
        for item in objects:
            found = _check_manifest(where, item, entry.file, workload, seen)
            found += names.check(where, workload, item)
            problems += [replace(one, value=value) for one in found]
    if workload.manifests and not seen and not problems:
        problems.append(
            Problem(path, "contain no object", "there would be nothing to run", "name files that contain objects")
        )
    return problems


def _check_rendered(
    path: str, workload: Workload, base: Path, files: ManifestFiles, names: ObjectNames
) -> list[Problem]:
    where = f"{path}.{workload.source_key}"
    chart = workload.chart
    wrong = _check_chart(f"{where}.path", chart.path, base) if chart else []
    if wrong:
        return wrong
    try:
        made = files.renderings.of(workload)
    except SourceError as error:
        return error.of(path)
    problems = []
    seen: dict[tuple[str, str, str, str], str] = {}
    for one in made.found:
        problems += _check_manifest(where, one.object, one.origin or "one folder", workload, seen)
        problems += names.check(where, workload, one.object)
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
