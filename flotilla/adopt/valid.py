"""Makes a stack valid before it is written: parts that `flotilla validate` would refuse are left out and reported."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from flotilla.adopt.model import Report
from flotilla.adopt.objects import GROUP
from flotilla.adopt.workloads import Draft, Files
from flotilla.adopt.writing import texts_of
from flotilla.counts import counted
from flotilla.kube.objects import ref_of
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.stackfile import placeholders

Keys = dict[str, Any]

OBJECTS = "objects"
"""The folder of the control plane's own objects, in the folder of all manifests."""
_ROUNDS = 50


@dataclass(frozen=True)
class Sections:
    """A stack that is being composed: the content of its file."""

    control_plane: Keys
    members: tuple[Keys, ...]
    without_kubeconfig: frozenset[str]
    """Members whose kubeconfig is a placeholder."""
    drafts: tuple[Draft, ...]
    objects: Files
    """Objects of the control plane, by path."""
    members_from: str = ""

    def plain(self, *, object_files: Iterable[str]) -> Keys:
        """Return the stack file's sections; the entry for the control plane's objects names the given files."""
        sections: Keys = {"controlPlane": self.control_plane}
        if self.members_from:
            sections["membersFrom"] = self.members_from
        if self.members:
            sections["members"] = list(self.members)
        if self.drafts:
            sections["workloads"] = [draft.entry for draft in self.drafts]
        if self.objects:
            sections["objects"] = [{"name": GROUP, "manifests": list(object_files)}]
        return sections

    @cached_property
    def texts(self) -> dict[str, str]:
        """The texts of all manifests, by path."""
        found = dict(self.objects)
        for draft in self.drafts:
            found |= draft.files
        return texts_of(found)


def valid(sections: Sections, report: Report, *, project: Path) -> Sections:
    """Return the stack without the parts that `flotilla validate` would refuse; the report names each of them.

    Before a workload in short form is left out, its policies are declared unchanged.

    Args:
        sections: the stack.
        report: gets the parts that are left out.
        project: the project's folder, for paths of kubeconfigs.

    Raises:
        ConfigError: a problem is in no part that can be left out, or there are always new problems.
    """
    problems: list[Problem] = []
    for _ in range(_ROUNDS):
        problems = [one for one in _problems(sections, project) if not _is_placeholder(one, sections)]
        if not problems:
            return sections
        following = _repaired(sections, problems, report)
        if following == sections:
            break
        sections = following
    raise ConfigError(problems, origin="the stack that would be written")


def _is_placeholder(problem: Problem, sections: Sections) -> bool:
    index = _index(problem.path, "members")
    if index is None or not problem.path.endswith("].kubeconfig"):
        return False
    return sections.members[index]["name"] in sections.without_kubeconfig


def _repaired(sections: Sections, problems: list[Problem], report: Report) -> Sections:
    drafts, members = _at(problems, "workloads"), _at(problems, "members")
    objects = _at(problems, "objects[0].manifests")
    kept: list[Draft] = []
    for index, draft in enumerate(sections.drafts):
        if index not in drafts:
            kept.append(draft)
        elif draft.short is not None:
            kept.append(draft.as_given())
        else:
            report.leave_out(f"workload {draft.name} ({counted(draft.objects, 'object')})", reason(drafts[index]))
    for index, problem in members.items():
        report.leave_out(f"Cluster {sections.members[index]['name']}", reason(problem))
    files = list(sections.objects.items())
    for index, problem in objects.items():
        for obj in files[index][1]:
            report.leave_out(str(ref_of(obj)), reason(problem))
    return replace(
        sections,
        drafts=tuple(kept),
        members=tuple(member for index, member in enumerate(sections.members) if index not in members),
        objects={file: listed for index, (file, listed) in enumerate(files) if index not in objects},
    )


def _at(problems: list[Problem], section: str) -> dict[int, Problem]:
    """Return the first problem at each position of a section."""
    found: dict[int, Problem] = {}
    for problem in problems:
        index = _index(problem.path, section)
        if index is not None:
            found.setdefault(index, problem)
    return found


def reason(problem: Problem) -> str:
    """Return a problem's text for the report: why `flotilla validate` would refuse a part."""
    key = problem.path.partition("]")[2].lstrip(".")
    seen = " ".join(part for part in (key, problem.value) if part)
    return f"`flotilla validate` would refuse it: {seen}{': ' if seen else ''}{problem.rule}"


def _index(path: str, section: str) -> int | None:
    """Return the position in a section from a problem's path: `workloads[3].policies` is 3 of workloads."""
    if not path.startswith(f"{section}["):
        return None
    return int(path[len(section) + 1 :].partition("]")[0])


def _problems(sections: Sections, project: Path) -> list[Problem]:
    """Return the problems of a stack, with its manifests in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="flotilla-adopt-") as name:
        base = Path(name)
        written = {file.partition("/")[0] for file in sections.texts}
        for entry in project.iterdir():  # other stacks may have the members
            if entry.name not in written and not entry.name.startswith("."):
                (base / entry.name).symlink_to(entry.resolve())
        for file, text in sections.texts.items():
            place = base / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        plain = placeholders(sections.plain(object_files=sections.objects))
        plain["controlPlane"] = _absolute(plain["controlPlane"], project)
        plain["members"] = [_absolute(member, project) for member in plain.get("members", [])]
        try:
            parse_fleet(plain, base=base, origin="the stack that would be written", as_written=True)
        except ConfigError as error:
            return error.problems
    return []


def _absolute(entry: Keys, project: Path) -> Keys:
    given = entry["kubeconfig"]
    path = given["path"] if isinstance(given, dict) else given
    place = str(Path(path) if path.startswith("~") else project.resolve() / path)
    return {**entry, "kubeconfig": {**given, "path": place} if isinstance(given, dict) else place}
