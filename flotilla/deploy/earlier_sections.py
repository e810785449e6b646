"""The stack file of a rollback: what an earlier update declared in Karmada, and the rest as declared now.

The members, the workloads and the objects of the control plane go back. The following stays as it is now: Karmada
itself, the clusters that the stack creates, how each member is reached, and the policies and drift settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.stack.stackfile import PROJECT, sections_of

GO_BACK = ("members", "membersFrom", "workloads", "objects")
_STAY = ("controlPlane", "clusters", "policies", "drift")
_REACHED = ("kubeconfig", "apiEndpoint", "caBundle", "insecureSkipTlsVerify", "proxyUrl")
"""Keys of a member that say how it is reached, and with which credentials; the earlier ones may no longer be valid."""
_AGENT = "agent"
_OPERATED = ("protect", "maintenance")
"""Keys of a member with which people protect it; a rollback must not send workloads to a cluster under repair."""
_SOURCES = ("manifests", "chart", "kustomize", "source")
Entry = dict[str, Any]


@dataclass(frozen=True)
class Merged:
    """A stack file's configuration for a rollback."""

    values: dict[str, Any]
    """The values by key, with the project's prefix."""
    notes: tuple[str, ...] = ()
    """One line for each part that does not go back."""


def named_entries(sections: Mapping[str, Any], section: str) -> dict[str, Entry]:
    """Return the entries of a section by name; invalid ones are left out, as the check of the stack reports them."""
    listed = sections.get(section)
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    return {entry["name"]: entry for entry in entries if isinstance(entry.get("name"), str)}


def malformed(sections: Mapping[str, Any]) -> str:
    """Return a section of an update that is no list of named entries, which prevents the rollback; empty for none."""
    for section in ("members", "workloads", "objects"):
        listed = sections.get(section)
        entries = named_entries(sections, section)
        if listed is not None and (not isinstance(listed, list) or len(entries) != len(listed)):
            return section
    return ""


def with_files(sections: Mapping[str, Any], entry_of: Callable[[str, Entry], str | None]) -> dict[str, Any]:
    """Return sections whose workloads and groups have placeholders instead of files, charts and kustomizations.

    Args:
        sections: the sections of an update.
        entry_of: returns the placeholder for the files of an entry of a section; None if the entry names no files.
    """
    changed = dict(sections)
    for section in ("workloads", "objects"):
        entries = list(named_entries(sections, section).values())
        if not entries:
            continue
        changed[section] = [_in_place(entry, entry_of(section, entry)) for entry in entries]
    return changed


def _in_place(entry: Entry, file: str | None) -> Entry:
    if file is None:
        return entry
    rest = {key: value for key, value in entry.items() if key not in _SOURCES}
    return {**rest, "manifests": [file], **({"policies": [file]} if entry.get("policies") else {})}


def merged(today: Mapping[str, Any], then: Mapping[str, Any]) -> Merged:
    """Return the configuration of a rollback.

    Args:
        today: the stack's current configuration, by key.
        then: the sections of the update, with files replaced.
    """
    now = sections_of(today)
    back = {section: then[section] for section in GO_BACK if then.get(section) is not None}
    notes = [f"{section}: as the stack file has it now" for section in _STAY if now.get(section) != then.get(section)]
    if "members" in back:
        back["members"], said = _members(then, now)
        notes += said
    if "workloads" in back:
        back["workloads"], said = _workloads(then, now)
        notes += said
    rest = {key: value for key, value in today.items() if key.removeprefix(f"{PROJECT}:") not in GO_BACK}
    return Merged({**rest, **{f"{PROJECT}:{section}": value for section, value in back.items()}}, tuple(notes))


def _members(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[Entry], list[str]]:
    before, today = named_entries(then, "members"), named_entries(now, "members")
    renamed = {
        str(entry["formerly"]): name for name, entry in today.items() if entry.get("formerly") and name not in before
    }
    members, notes = [], []
    for name, entry in before.items():
        other = name if name in today else renamed.get(name, "")
        if not other:
            members.append(entry)
            continue
        known = today[other]
        keys = [*_REACHED, *([_AGENT] if entry.get("mode") == known.get("mode") else [])]
        kept = {key: known[key] for key in (*keys, *_OPERATED) if key in known}
        if other != name:
            kept["formerly"] = other
        members.append({**{key: value for key, value in entry.items() if key not in (*keys, *_OPERATED)}, **kept})
        differ = [key for key in keys if entry.get(key) != known.get(key)]
        if differ:
            notes.append(f"member {name}, {', '.join(differ)}: as the stack file has it now")
    return members, notes


def _workloads(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[list[Entry], list[str]]:
    """Return the workloads. One that was renamed since keeps its new name, as its policies keep the old one anyway."""
    before, today = named_entries(then, "workloads"), named_entries(now, "workloads")
    names = {}
    for name, entry in today.items():
        if name in before or not entry.get("formerly"):
            continue
        former = next(
            (n for n, e in before.items() if n not in today and entry["formerly"] in (n, e.get("formerly"))), None
        )
        if former is not None:
            names[former] = name
    workloads = []
    for name, entry in before.items():
        called = {"name": names[name], "formerly": entry.get("formerly") or name} if name in names else {}
        after = {"after": [names.get(one, one) for one in entry["after"]]} if entry.get("after") else {}
        workloads.append({**entry, **called, **after})
    return workloads, [f"workload {former} keeps its new name {name}" for former, name in names.items()]
