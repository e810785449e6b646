"""Adds workloads to an existing stack file: checks that the stack is valid with them, and edits the file's text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml as pyyaml

from flotilla.adopt.model import Report
from flotilla.adopt.valid import reason
from flotilla.adopt.workloads import Draft
from flotilla.adopt.writing import document_text
from flotilla.counts import counted
from flotilla.karmada.kinds import Identity, identity
from flotilla.kube import yaml
from flotilla.kube.objects import ref_of
from flotilla.stack.editing import below, last_leaf
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.stackfile import PROJECT, placeholders
from flotilla.workloads.objects import readable_objects

Keys = dict[str, Any]

_WORKLOADS = f"{PROJECT}:workloads"
_SALT = "encryptionsalt"
_DOS = "\r\n"
_NULL = "tag:yaml.org,2002:null"
_ROUNDS = 50


def declared(fleet: Fleet, project: Path) -> frozenset[Identity]:
    """Return the objects that a stack's workloads declare."""
    files = ManifestFiles(project, programs=False)
    return frozenset(identity(one) for workload in fleet.workloads for one in readable_objects(workload, files))


def valid_with(sections: Keys, drafts: Iterable[Draft], report: Report, *, project: Path) -> tuple[Draft, ...]:
    """Return the workloads with which the stack is valid; the others are reported with the reason.

    Args:
        sections: the stack's sections, as its file has them.
        drafts: the workloads to add.
        report: gets the workloads that are left out.
        project: the project's folder.

    Raises:
        ConfigError: the stack is invalid with them, for a reason that isn't in any of them.
    """
    kept = list(drafts)
    before = _problems(sections, [], project)
    own = len(sections.get("workloads") or [])
    for _ in range(_ROUNDS):
        problems = [one for one in _problems(sections, kept, project) if one not in before]
        if not problems or not kept:
            return tuple(kept)
        following = _without(kept, problems, own, report)
        if following == kept:
            raise ConfigError(problems, origin="the stack with what would be added")
        kept = following
    raise ConfigError(problems, origin="the stack with what would be added")


def _problems(sections: Keys, drafts: list[Draft], project: Path) -> list[Problem]:
    """Return the problems of a stack with additional workloads, whose files aren't written yet."""
    files = ManifestFiles(project, programs=False)
    for draft in drafts:
        for path, objects in draft.files.items():
            files.put(path, objects)
    entries = [{**draft.entry, "manifests": list(draft.files)} for draft in drafts]
    plain = placeholders({**sections, "workloads": [*(sections.get("workloads") or []), *entries]})
    try:
        parse_fleet(plain, base=project, manifests=files, origin="the stack", as_written=True)
    except ConfigError as error:
        return error.problems
    return []


def _without(drafts: list[Draft], problems: list[Problem], own: int, report: Report) -> list[Draft]:
    """Return workloads without the manifests that have problems, or else without the whole workload."""
    kept = []
    for index, draft in enumerate(drafts):
        mine = [one for one in problems if one.path.startswith(f"workloads[{own + index}]")]
        named = {
            name: problem
            for problem in mine
            for name, (obj, *_) in draft.manifests.items()
            if problem.rule.startswith(f"{obj['kind']} {obj['metadata']['name']} ")
        }
        if not mine:
            kept.append(draft)
        elif named and len(named) < len(draft.manifests):
            for name, problem in named.items():
                for obj in draft.manifests[name]:
                    report.leave_out(str(ref_of(obj)), reason(problem))
            left = {name: objects for name, objects in draft.manifests.items() if name not in named}
            kept.append(replace(draft, manifests=left))
        else:
            report.leave_out(f"workload {draft.name} ({counted(draft.objects, 'object')})", reason(mine[0]))
    return kept


# -- the file's text --------------------------------------------------------------------------------------------------


def entries_text(drafts: Iterable[Draft], indent: int = 0) -> str:
    """Return workloads as list items in the form of a stack file."""
    text = document_text([[draft.entry for draft in drafts]])
    lines = [line.removeprefix("  ") for line in text.splitlines()] if text.startswith("  ") else text.splitlines()
    return "".join(f"{' ' * indent}{line}\n" if line else "\n" for line in lines)


def text_with(text: str, drafts: Iterable[Draft], salt: str = "") -> str | None:
    """Return a stack file's text with more workloads after its own; all of its lines stay as they are.

    Returns None where the file has a form to which lines can't be added (a list in brackets, JSON, anchors).

    Args:
        text: the text of the file.
        drafts: the workloads.
        salt: the salt of encrypted values, where the file has none yet.
    """
    listed = list(drafts)
    plain = text.replace(_DOS, "\n")
    result = _with_entries(plain, listed)
    if result is None:
        return None
    if salt:
        result = f"{result}{'' if result.endswith(chr(10)) else chr(10)}{_SALT}: {salt}\n"
    result = result if plain == text else result.replace("\n", _DOS)
    return result if _same(text, result, listed, salt) else None


def _same(before: str, after: str, drafts: list[Draft], salt: str) -> bool:
    """Return whether the only difference in meaning between two texts are the added workloads (and the salt)."""
    try:
        wanted, found = yaml.load(before) or {}, yaml.load(after)
    except yaml.YamlError:
        return False
    config = wanted.get("config") or {}
    entries = [*(config.get(_WORKLOADS) or []), *(draft.entry for draft in drafts)]
    wanted = {**wanted, **({_SALT: salt} if salt else {}), "config": {**config, _WORKLOADS: entries}}
    return bool(found == wanted)


def _with_entries(text: str, drafts: list[Draft]) -> str | None:
    try:
        root = pyyaml.compose(text, Loader=pyyaml.SafeLoader)
    except pyyaml.YAMLError:
        return None
    config = below(root, "config")
    if not isinstance(config, pyyaml.MappingNode) or config.flow_style or not config.value:
        return None
    listed = below(config, _WORKLOADS)
    indent = config.value[0][0].start_mark.column
    if listed is None:
        return _inserted(text, config, f"{' ' * indent}{_WORKLOADS}:\n{entries_text(drafts, indent + 2)}")
    if not listed.value or listed.tag == _NULL:  # `[]`, or nothing: the list begins in the next line
        start, end = listed.start_mark.index, listed.end_mark.index
        line = text.find("\n", end)
        rest = text[end:] if line < 0 else text[end:line]
        before = f"{text[:start].rstrip(' ')}{rest}\n"
        return before + entries_text(drafts, indent + 2) + ("" if line < 0 else text[line + 1 :])
    if not isinstance(listed, pyyaml.SequenceNode) or listed.flow_style or not listed.value:
        return None
    return _inserted(text, listed, entries_text(drafts, listed.start_mark.column))


def _inserted(text: str, node: Any, added: str) -> str:
    """Return a text with lines inserted after the last line of a node."""
    mark = last_leaf(node).end_mark
    end = mark.index
    if mark.column:
        end = text.find("\n", end)
        end = len(text) if end < 0 else end + 1
    before = text[:end]
    return f"{before}{'' if before.endswith(chr(10)) or not before else chr(10)}{added}{text[end:]}"
