"""Helm charts as a source: `helm template`, in a temporary folder and without any cluster."""

from __future__ import annotations

import json
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from flotilla.files import write_whole
from flotilla.kube import yaml
from flotilla.kube.reading import UnreadableFile, located, read_text
from flotilla.kube.secrecy import named_secrets
from flotilla.stack.charts import INSTALL_HELM, ChartReference, reference
from flotilla.stack.problems import Problem
from flotilla.stack.sources import WorkloadChart
from flotilla.workloads.sources.cache import Cache
from flotilla.workloads.sources.inputs import TooMuch, digest_of, digest_of_file, digest_of_folder
from flotilla.workloads.sources.notes import CHART, notes_of, without_secrets
from flotilla.workloads.sources.parts import objects_of
from flotilla.workloads.sources.programs import ProgramFailed, Tool, shown
from flotilla.workloads.sources.rendering import Recipe, Session
from flotilla.workloads.sources.shape import NOTHING, Sourced, SourceError

_KEY = "chart"
_DEFINITIONS = "--include-crds"
_WARNINGS = ("warning: ", "info: skipping unknown hook: ")
_MOST_WARNINGS = 5


def chart_recipe(chart: WorkloadChart, *, release: str, namespace: str, base: Path, cache: Cache) -> Recipe:
    """Return the recipe for rendering a chart.

    Args:
        chart: the chart in the stack file.
        release: the name of the release.
        namespace: the namespace of the release.
        base: the project's folder, to which paths are relative.
        cache: stores pulled charts.

    Raises:
        SourceError: a file of values or a chart in the project can't be read.
    """
    files, secrets = _values_files(chart, base)
    secrets |= named_secrets(chart.values)
    place, content = _place(chart, base)
    key = digest_of(
        {
            "source": _KEY,
            "chart": content,
            "values": chart.values,
            "files": files,
            "release": release,
            "namespace": namespace,
            "crds": chart.include_crds,
            "kube": chart.kube_version,
            "apis": list(chart.api_versions),
        }
    )

    @contextmanager
    def session(helm: Tool) -> Iterator[Session]:
        with tempfile.TemporaryDirectory(prefix="flotilla-helm-") as name:
            folder = Path(name)
            # Commas and URLs have a special meaning in helm's --values; these file names avoid both.
            texts = [*files, json.dumps(chart.values)]
            given = [folder / f"values-{number}.yaml" for number in range(len(texts))]
            for file, text in zip(given, texts, strict=True):
                write_whole(file, text)
            write_whole(folder / "kubeconfig", "")  # not the user's: no cluster is asked, and no plugin is run
            run = partial(helm.run, secrets=secrets, KUBECONFIG=str(folder / "kubeconfig"))
            where = place.chart if chart.path else str(_pulled(run, place, folder, cache))
            options = [f"--namespace={namespace}", *(f"--values={file}" for file in given)]
            options += [_DEFINITIONS] if chart.include_crds else []
            options += [f"--kube-version={chart.kube_version}"] if chart.kube_version else []
            options += [f"--api-versions={one}" for one in chart.api_versions]

            def render() -> Sourced:
                text, said = run(["template", release, where, *options])
                warnings = [shown(line, secrets) for line in said if line.startswith(_WARNINGS)]
                found = objects_of(text, key=_KEY, where="what helm printed")
                return Sourced(tuple(found), tuple(f"helm: {line}" for line in warnings[:_MOST_WARNINGS]))

            def notes() -> str:
                copy = folder / "with-notes"
                copy.mkdir()
                asked = [one for one in options if one != _DEFINITIONS]
                found = notes_of(run, Path(where), copy, ["template", release, CHART, *asked])
                return without_secrets(found, secrets)

            yield Session(render, notes)

    return Recipe(
        key=key,
        where=_KEY,
        programs=("helm",),
        missing=Problem(
            _KEY,
            "needs the helm command, which isn't on the PATH",
            NOTHING,
            f"{INSTALL_HELM}; or keep what `helm template` prints elsewhere in a file of `manifests`",
        ),
        session=session,
        remedy=partial(_remedy, place),
        may_vary=True,
    )


def _values_files(chart: WorkloadChart, base: Path) -> tuple[list[str], set[str]]:
    """Return the text of each file of values, and values in them that may be secret.

    Raises:
        SourceError: a file can't be read, or isn't a mapping.
    """
    texts: list[str] = []
    secrets: set[str] = set()
    problems: list[Problem] = []
    for index, name in enumerate(chart.values_files):
        where, seen = f"{_KEY}.valuesFiles[{index}]", f'"{name}"'
        try:
            text = read_text(located(name, base))
            values = yaml.load(text)
        except UnreadableFile as error:
            problems.append(Problem(where, error.message, NOTHING, "give an existing file", seen))
            continue
        except yaml.YamlError as error:
            problems.append(Problem(where, f"not valid YAML: {error.message}", NOTHING, "fix the file", seen))
            continue
        if not isinstance(values, dict | None):
            problems.append(Problem(where, "is not a mapping of values", NOTHING, "write `key: value` lines", seen))
        elif isinstance(values, dict) and isinstance(values.get("sops"), dict):
            rule = "is encrypted with SOPS, and helm would use the ciphertext as values"
            remedy = "set secret values in `values`, with `pulumi config set --secret --path`"
            problems.append(Problem(where, rule, "no workload would run with it", remedy, seen))
        secrets |= named_secrets(values)
        texts.append(text)
    if problems:
        raise SourceError(problems)
    return texts, secrets


def _place(chart: WorkloadChart, base: Path) -> tuple[ChartReference, Any]:
    """Return the place of a chart, and what identifies its content.

    Raises:
        SourceError: it is in the project, and can't be read.
    """
    try:
        place = reference(chart, base, name=chart.name or "", version=None, repository="")
        if not chart.path:
            return place, [place.repository, place.chart, place.version]
        path = Path(place.chart)
        return place, digest_of_folder(path) if path.is_dir() else digest_of_file(path)
    except (UnreadableFile, TooMuch) as error:
        remedy = "give a chart's folder or .tgz"
        raise SourceError([Problem(f"{_KEY}.path", error.message, NOTHING, remedy, f'"{chart.path}"')]) from None


def _pulled(run: Callable[..., Any], place: ChartReference, folder: Path, cache: Cache) -> Path:
    """Return a chart's archive, which is pulled only once: later renderings with other values need no network.

    Raises:
        ProgramFailed: the chart could not be pulled.
    """
    key = digest_of([place.repository, place.chart, place.version])
    kept = cache.chart(key)
    if kept:
        return kept
    target = folder / "pulled"
    target.mkdir()
    command = ["pull", place.chart, f"--version={place.version}", f"--destination={target}"]
    run([*command, *([f"--repo={place.repository}"] if place.repository else [])])
    archives = sorted(target.glob("*.tgz"))
    if len(archives) != 1:
        raise ProgramFailed(f"helm pull: it left {len(archives)} archives, but must leave one")
    return cache.keep_chart(key, archives[0])


def _remedy(place: ChartReference, message: str) -> str:
    """Return the remedy for a message of helm."""
    if message.startswith("helm pull"):
        return "if this machine can't reach the chart, store it in the project (`helm pull`) and give its `path`"
    if "missing in charts/" in message and not place.version:
        return f"get the charts that it depends on: `helm dependency build {shlex.quote(place.chart)}`"
    return "correct the values"
