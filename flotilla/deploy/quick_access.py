"""Connects to a stack's clusters by the kubeconfig files that its stack file names, without models and without state.

Loading the models of a stack file, and deriving the key of a state's secrets, take longer than reading a fleet.
This module reads `controlPlane` and `members` alone. Where they are unusual or invalid it returns None, and
`flotilla.deploy.access` reads and checks the whole stack file. `flotilla validate` reports problems of other sections.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flotilla.deploy.interface import Setting
from flotilla.errors import FlotillaError
from flotilla.karmada.names import is_dns_label
from flotilla.karmada.versions import SUPPORTED, known_version
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.kube.reading import located
from flotilla.observe.access import FleetAccess
from flotilla.stack.stackfile import SECTIONS, TEXTS, fleet_sections

_NAME = "Karmada"
_MAPPINGS = frozenset({"controlPlane", "rollout", "policies", "drift"})
_KEYS = frozenset({"kubeconfig", "version", "protect"})
"""The keys of a control plane that exists, and whose kubeconfig is a file."""


def quick_access(setting: Setting, from_state: Callable[[], Mapping[str, str]]) -> FleetAccess | None:
    """Return the access to a stack's clusters; None if the stack file names no file for Karmada, or is unusual.

    Args:
        setting: the stack's setting.
        from_state: returns the members' kubeconfigs from the stack's state, for stack files that don't name a file for
            each member.
    """
    try:
        sections = fleet_sections(setting.stack_file)
        source = _control_plane(sections)
        if source is None:
            return None
        connection = Connection(_document(source, setting), name=_NAME)
    except FlotillaError:
        return None
    named = _members(sections)

    def members() -> Mapping[str, str | Object]:
        if named is None:
            return from_state()
        try:
            return {name: _document(one, setting) for name, one in named.items()}
        except FlotillaError:  # a file is missing; the state has its former content
            return from_state()

    return FleetAccess(connection, members)


def _document(source: tuple[str, str | None], setting: Setting) -> Object:
    path, context = source
    file = located(path, setting.project)
    return kubeconfigs.checked(kubeconfigs.select(kubeconfigs.read(file), context, base=file.parent))


def _control_plane(sections: Mapping[str, Any]) -> tuple[str, str | None] | None:
    """Return the path and context of Karmada's kubeconfig; None if there is none, or the stack file is unusual."""
    if not all(key in SECTIONS and isinstance(value, _type_of(key)) for key, value in sections.items()):
        return None
    section = sections.get("controlPlane")
    if not section or not section.keys() <= _KEYS or not isinstance(section.get("protect", False), bool):
        return None
    version = section.get("version")
    known = known_version(version)
    if version is not None and (known is None or not SUPPORTED.covers(known)):
        return None
    return _file(section.get("kubeconfig"))


def _type_of(section: str) -> type:
    return str if section in TEXTS else dict if section in _MAPPINGS else list


def _members(sections: Mapping[str, Any]) -> dict[str, tuple[str, str | None]] | None:
    """Return the path and context of each member's kubeconfig; None if a member has none."""
    found = {}
    for entry in sections.get("members") or []:
        source = _file(entry.get("kubeconfig")) if isinstance(entry, dict) else None
        if source is None or not isinstance(entry.get("name"), str) or not is_dns_label(entry["name"]):
            return None
        found[entry["name"]] = source
    return found


def _file(value: Any) -> tuple[str, str | None] | None:
    """Return the path and the context of a key `kubeconfig`; None if it names no file."""
    given = {"path": value} if isinstance(value, str) else value
    if not isinstance(given, dict) or not given.keys() <= {"path", "context"}:
        return None
    path, context = given.get("path"), given.get("context")
    return (path, context) if isinstance(path, str) and isinstance(context, str | None) else None
