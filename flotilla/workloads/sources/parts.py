"""Parses the output of a rendering program into objects, each with its template; problems name the template."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from flotilla.counts import counted, first_of
from flotilla.kube.objects import Object, path_text
from flotilla.stack.problems import Problem
from flotilla.workloads.manifests import ManifestError, parse_manifests
from flotilla.workloads.sources.shape import NOTHING, Found, SourceError

MOST_OBJECTS = 5_000
_SHOWN = 6
# A line that begins with `---` ends a document wherever it is, also within a text: YAML 1.2, 9.1.4.
_SOURCE = re.compile(r"^---[ \t]*\n# Source: (.*)\n", re.MULTILINE)
_CONTENT = re.compile(r"^[^#\s-]|^-(?!--\s*$)", re.MULTILINE)


def objects_of(text: str, *, key: str, where: str) -> list[Found]:
    """Return the objects of a rendering, in their order, lists unfolded.

    Args:
        text: YAML in the form that `helm template` or `kustomize build` print.
        key: the workload's key that problems name.
        where: the name in problems of a text without `# Source:`, such as "what kustomize built".

    Raises:
        SourceError: it contains something that is not a Kubernetes object, too many objects, or none.
    """
    found: list[Found] = []
    problems: list[Problem] = []
    for origin, part in _parts(text):
        if not _CONTENT.search(part):
            continue
        try:
            found += [Found(obj, origin) for obj in parse_manifests(part)]
        except ManifestError as error:
            place = f"{origin}, as rendered" if origin else where
            remedy = "correct the template, or the values that it is rendered with" if origin else "correct its files"
            problems += [Problem(key, f"{place}: {one}", NOTHING, remedy) for one in error.problems]
    if not problems and not found:
        problems.append(Problem(key, "renders to no object", NOTHING, "correct its values, or remove the workload"))
    if len(found) > MOST_OBJECTS:
        rule = f"renders to {counted(len(found), 'object')}; the limit is {MOST_OBJECTS}"
        problems.append(Problem(key, rule, "nobody could read such a plan", "split the workload"))
    if problems:
        raise SourceError(problems)
    return found


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the parts of a text, each with its template; the template is empty before the first mark."""
    marks = list(_SOURCE.finditer(text))
    yield "", text[: marks[0].start()] if marks else text
    for mark, following in zip_longest(marks, marks[1:]):
        yield mark[1].strip(), text[mark.end() : following.start() if following else len(text)]


def differing(first: Iterable[Found], second: Iterable[Found]) -> list[str]:
    """Return the differences of two renderings of the same inputs: `Secret grafana: data.password`; without values."""
    ours, theirs = ({_key(one.object): one.object for one in found} for found in (first, second))
    listed = []
    for key in {**ours, **theirs}:
        if key not in ours or key not in theirs:
            listed.append(f"{key[1]} {key[3]}")
            continue
        paths = list(_paths(ours[key], theirs[key]))
        listed += [f"{key[1]} {key[3]}: {', '.join(first_of(paths, _SHOWN))}"] if paths else []
    return first_of(listed, _SHOWN)


def _key(obj: Object) -> tuple[str, str, str, str]:
    metadata = obj["metadata"]
    return obj["apiVersion"], obj["kind"], metadata.get("namespace") or "", metadata["name"]


def _paths(one: Any, other: Any, path: tuple[str | int, ...] = ()) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from _paths(one.get(key), other.get(key), (*path, str(key)))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, value in enumerate(one):
            yield from _paths(value, other[index], (*path, index))
    elif one != other:
        yield path_text(path)
