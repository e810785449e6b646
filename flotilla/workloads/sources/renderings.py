"""What the charts and kustomizations of a stack render to, each once in a run."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from flotilla.kube.reading import located
from flotilla.stack.parsing import parse
from flotilla.stack.problems import Problem
from flotilla.stack.stackfile import fleet_sections, placeholders
from flotilla.stack.workloads import Workload
from flotilla.workloads.sources.cache import Cache
from flotilla.workloads.sources.charts import chart_recipe
from flotilla.workloads.sources.hooks import settled
from flotilla.workloads.sources.kustomizations import kustomize_recipe, read_by_kustomization
from flotilla.workloads.sources.rendering import Recipe, rendered
from flotilla.workloads.sources.shape import Sourced, SourceError

FOLDER = Path(".flotilla") / "rendered"
"""Where renderings are kept, in the project."""


class Renderings:
    """The renderings of one project; each is made once, as long as this lives: that is one run."""

    def __init__(self, base: Path, *, programs: bool = True) -> None:
        """Take the project's folder.

        Args:
            base: the folder; paths refer to it, and renderings are kept in it.
            programs: programs may be started. Otherwise what isn't kept is refused.
        """
        self._base = base
        self._programs = programs
        self._cache = Cache(base / FOLDER)
        self._made: dict[tuple[str, ...], Sourced | SourceError] = {}

    def of(self, workload: Workload) -> Sourced:
        """Return the objects of a workload that has a chart or a kustomization.

        Raises:
            SourceError: it gives none.
        """
        source = workload.chart or workload.kustomize
        asked = (workload.release, workload.namespace, source.model_dump_json() if source else "")
        if asked not in self._made:
            self._made[asked] = self._make(workload)
        made = self._made[asked]
        if isinstance(made, SourceError):
            raise SourceError(made.problems)
        return made

    def key(self, workload: Workload) -> str:
        """Return the digest of what a workload is rendered from; no program is started.

        Raises:
            SourceError: a file can't be read.
        """
        return self._recipe(workload).key

    def _make(self, workload: Workload) -> Sourced | SourceError:
        try:
            made = rendered(self._recipe(workload), self._cache, programs=self._programs)
            return settled(made, workload.chart.hooks) if workload.chart else made
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
        raise SourceError([Problem(workload.source, "is rendered by no program")])


def read_by(workload: Workload, base: Path) -> list[Path]:
    """Return the folders and files of the project that a workload is rendered from; links are followed.

    Args:
        workload: any; what has neither a chart nor a kustomization reads none.
        base: the project's folder.

    Raises:
        UnreadableFile: a path can't be one.
        TooMuch: a kustomization refers to more than is followed.
    """
    if workload.kustomize:
        return read_by_kustomization(workload.kustomize, base=base)
    chart = workload.chart
    named = [*([chart.path] if chart.path else []), *chart.values_files] if chart else []
    return [located(name, base).resolve() for name in named]


def rendering_keys(stack_file: Path, project: Path) -> dict[str, bytes]:
    """Return what the charts and kustomizations of a stack file are rendered from, as digests by workload.

    Workloads that aren't valid, or whose files can't be read, are left out.
    """
    listed = placeholders(fleet_sections(stack_file).get("workloads"))
    renderings = Renderings(project, programs=False)
    found: dict[str, bytes] = {}
    for raw in listed if isinstance(listed, list) else []:
        workload = parse(Workload, raw, "", [])
        if workload and (workload.chart or workload.kustomize):
            with suppress(SourceError):
                found[f"rendered {workload.name}"] = renderings.key(workload).encode()
    return found
