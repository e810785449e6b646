"""Checks of the files that a fleet names: kubeconfigs with their contexts, and manifests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from flotilla.config.credentials import Kubeconfig
from flotilla.config.fleet import ControlPlane
from flotilla.config.members import Member
from flotilla.config.problems import ConfigError, Problem
from flotilla.config.workloads import Workload
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.kubeconfig import KubeconfigError
from flotilla.kube.objects import Object


def resolve(path: str, base: Path) -> Path:
    """Return a path of a stack file as an absolute one."""
    file = Path(path).expanduser()
    return file if file.is_absolute() else base / file


def kubeconfig_text(source: Kubeconfig, base: Path) -> str:
    """Return a self-contained kubeconfig with one context; not for clusters that a stack makes.

    Raises:
        KubeconfigError: the file can't be read, isn't a kubeconfig, or has no such context.
    """
    if source.inline is not None:
        document = kubeconfigs.load(source.inline.get_secret_value(), origin="the inline kubeconfig")
        return kubeconfigs.dump(kubeconfigs.select(document, source.context))
    file = resolve(source.path or "", base)
    try:
        text = file.read_text()
    except OSError as error:
        raise KubeconfigError(f"{file} can't be read: {(error.strerror or str(error)).lower()}") from None
    document = kubeconfigs.load(text, origin=str(file))
    return kubeconfigs.dump(kubeconfigs.select(document, source.context, base=file.parent))


def read_manifests(workload: Workload, base: Path) -> list[Object]:
    """Return the objects of a workload's manifests, in file order, lists unfolded.

    Raises:
        ConfigError: a file that can't be read, isn't YAML or holds something that is no Kubernetes object.
    """
    objects: list[Object] = []
    problems: list[Problem] = []
    for index, name in enumerate(workload.manifests):
        where = f"{workload.name}.manifests[{index}]"
        try:
            objects += parse_manifests(resolve(name, base).read_text())
        except (OSError, ValueError) as error:
            problems.append(Problem(where, str(error)))
    if problems:
        raise ConfigError(problems)
    return objects


def parse_manifests(text: str) -> list[Object]:
    """Return the objects of a YAML text with one or more documents; ValueError says what is wrong."""
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise ValueError(f"not valid YAML: {getattr(error, 'problem', error)}") from None
    objects: list[Object] = []
    for document in documents:
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        for item in items or []:
            if not isinstance(item, dict) or not item.get("apiVersion") or not item.get("kind"):
                raise ValueError("a document has no apiVersion and kind")
            if not (item.get("metadata") or {}).get("name"):
                raise ValueError(f"a {item['kind']} has no metadata.name")
            objects.append(item)
    if not objects:
        raise ValueError("holds no object")
    return objects


def check_files(
    control_plane: ControlPlane | None,
    members: list[tuple[int, Member]],
    workloads: list[tuple[int, Workload]],
    base: Path,
) -> list[Problem]:
    """Check that every kubeconfig is there and has its context, and every manifest can be read."""
    problems: list[Problem] = []
    if control_plane and control_plane.kubeconfig:
        problems += _check_kubeconfig("controlPlane.kubeconfig", control_plane.kubeconfig, base)
    if control_plane and control_plane.helm:
        problems += _check_kubeconfig("controlPlane.helm.host", control_plane.helm.host, base)
        problems += _check_chart("controlPlane.helm.chart.path", control_plane.helm.chart.path, base)
    for index, member in members:
        problems += _check_kubeconfig(f"members[{index}].kubeconfig", member.kubeconfig, base)
    for index, workload in workloads:
        problems += _check_manifests(f"workloads[{index}].manifests", workload, base)
    return problems


def _check_kubeconfig(path: str, source: Kubeconfig, base: Path) -> list[Problem]:
    if source.cluster is not None:
        return []  # a stack makes it
    if source.inline is not None and source.inline.get_secret_value() == "[secret]":
        return []  # encrypted: only the program, which has the key, can look into it
    value: Any = source.path or ""
    try:
        text = kubeconfig_text(source, base)
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
    if not kubeconfigs.server(kubeconfigs.load(text)).startswith(("https://", "http://")):
        return [Problem(path, "its cluster has no server URL with a scheme", "the cluster could not be reached")]
    return []


def _check_chart(where: str, path: str | None, base: Path) -> list[Problem]:
    if path is None:
        return []
    place = resolve(path, base)
    if place.is_file() or (place / "Chart.yaml").is_file():
        return []
    return [
        Problem(
            where, f"{place} is no chart", "there is nothing to install", "give a chart's folder or .tgz", f'"{path}"'
        )
    ]


def _check_manifests(path: str, workload: Workload, base: Path) -> list[Problem]:
    problems = []
    seen: dict[tuple[str, str, str], str] = {}
    for index, name in enumerate(workload.manifests):
        where = f"{path}[{index}]"
        try:
            objects = parse_manifests(resolve(name, base).read_text())
        except OSError as error:
            text = f"{resolve(name, base)} can't be read: {(error.strerror or '').lower()}"
            problems.append(Problem(where, text, "there would be nothing to run", "give an existing file", f'"{name}"'))
            continue
        except ValueError as error:
            problems.append(Problem(where, str(error), "there would be nothing to run", "mend the file", f'"{name}"'))
            continue
        for item in objects:
            problems += _check_manifest(where, item, name, workload, seen)
    return problems


def _check_manifest(
    where: str, item: Object, file: str, workload: Workload, seen: dict[tuple[str, str, str], str]
) -> list[Problem]:
    meta = item["metadata"]
    problems = []
    namespace = meta.get("namespace")
    if namespace and namespace != workload.namespace:
        problems.append(
            Problem(
                where,
                f"{item['kind']} {meta['name']} names namespace {namespace!r}, the workload {workload.namespace!r}",
                "its PropagationPolicy could not select it",
                "make them the same, or split the workload",
            )
        )
    key = (item["apiVersion"], item["kind"], meta["name"])
    if key in seen:
        problems.append(
            Problem(
                where,
                f"{item['kind']} {meta['name']} stands twice, in {seen[key]} too",
                "one would overwrite the other",
                "remove one",
            )
        )
    seen[key] = file
    return problems
