"""Renders the charts, kustomizations and own sources of a stack, each once per run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from flotilla.kube.objects import copied
from flotilla.kube.reading import located
from flotilla.stack.parsing import parse
from flotilla.stack.problems import Problem
from flotilla.stack.stackfile import fleet_sections, placeholders
from flotilla.stack.workloads import Workload
from flotilla.workloads.sources.cache import Cache
from flotilla.workloads.sources.charts import chart_recipe
from flotilla.workloads.sources.hooks import with_hooks
from flotilla.workloads.sources.kustomizations import kustomize_recipe, read_by_kustomization
from flotilla.workloads.sources.own import Asked, own_key, own_objects
from flotilla.workloads.sources.rendering import Recipe, rendered
from flotilla.workloads.sources.shape import Sourced, SourceError

FOLDER = Path(".flotilla") / "rendered"
"""The folder of the cache of renderings, in the project."""


class Renderings:
    """The renderings of one project; each is made once in the lifetime of this object, which is one run."""

    def __init__(self, base: Path, *, programs: bool = True) -> None:
        """Store the project's folder.

        Args:
            base: the folder, to which paths are relative and which contains the cache.
            programs: programs may be started, and own sources called; otherwise sources that aren't cached are refused.
        """
        self._base = base
        self._programs = programs
        self._cache = Cache(base / FOLDER)
        self._made: dict[tuple[str, ...], Sourced | SourceError] = {}

    def of(self, workload: Workload) -> Sourced:
        """Return the objects of a workload that has a chart, a kustomization or an own source.

        Raises:
            SourceError: the source gives no objects.
        """
        source = workload.chart or workload.kustomize or workload.source
        form = f"{workload.source_key} {source.model_dump_json()}" if source else ""
        asked = (workload.release, workload.namespace, form)
        if asked not in self._made:
            self._made[asked] = self._make(workload)
        made = self._made[asked]
        if isinstance(made, SourceError):
            raise SourceError(made.problems)
        return made

    def key(self, workload: Workload) -> str:
        """Return the digest of a workload's inputs; no program is started.

        Raises:
            SourceError: a file can't be read.
        """
        if workload.source:
            return own_key(workload.source, self._asked(workload), self._cache)
        return self._recipe(workload).key

    def _asked(self, workload: Workload) -> Asked:
        args: dict[str, Any] = copied(workload.source.args) if workload.source else {}
        return Asked(args, workload.release, workload.namespace, self._base)

    def _make(self, workload: Workload) -> Sourced | SourceError:
        try:
            if workload.source:
                return own_objects(workload.source, self._asked(workload), self._cache, run=self._programs)
            made = rendered(self._recipe(workload), self._cache, programs=self._programs)
            return with_hooks(made, workload.chart.hooks) if workload.chart else made
        except SourceError as error:
            return error

    def _recipe(self, workload: Workload) -> Recipe:
        if workload.chart:
            release = workload.chart.release or workload.release
            return chart_recipe(
                workload.chart, release=release, namespace=workload.namespace, base=self._base, cache=self._cache
            )
        if workload.kustomize:
            return kustomize_recipe(workload.kustomize, base=self._base)
        raise SourceError([Problem(workload.source_key, "is not rendered by a program")])


def read_by(workload: Workload, base: Path) -> list[Path]:
    """Return the folders and files of the project from which a workload is rendered; links are followed.

    Args:
        workload: any workload; an own source may read every file of the project. With an image or manifests the
            result is empty.
        base: the project's folder.

    Raises:
        UnreadableFile: a path is not valid.
        TooMuch: a kustomization refers to more folders or files than the limit.
    """
    if workload.kustomize:
        return read_by_kustomization(workload.kustomize, base=base)
    if workload.source:
        return [base.resolve()]
    chart = workload.chart
    named = [*([chart.path] if chart.path else []), *chart.values_files] if chart else []
    return [located(name, base).resolve() for name in named]


def rendering_keys(stack_file: Path, project: Path) -> dict[str, bytes]:
    """Return the digests of the inputs of a stack file's charts and kustomizations, by workload.

    The digest of an own source is of what it returned last. Invalid workloads, and workloads whose files can't be read,
    are left out.
    """
    listed = placeholders(fleet_sections(stack_file).get("workloads"))
    renderings = Renderings(project, programs=False)
    found: dict[str, bytes] = {}
    for raw in listed if isinstance(listed, list) else []:
        workload = parse(Workload, raw, "", [])
        if workload and workload.is_rendered:
            with suppress(SourceError):
                found[f"rendered {workload.name}"] = renderings.key(workload).encode()
    return found
