"""A stack file without credentials, for checks of its declarations that must not connect to any cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.secrecy import HIDDEN

_PLACEHOLDER = "placeholder"
# Nobody can own a name under `.invalid` (RFC 2606): no server gets a request.
_SERVER = "https://{}.invalid:6443"
_CREDENTIAL_KEYS = ("kubeconfig", "host")


def offline(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a stack file's content without credentials.

    Args:
        document: the content.
        folder: the folder for placeholder kubeconfigs, whose server doesn't exist.
    """
    return {"config": _without_credentials(dict(document.get("config") or {}), folder, "config")}


def builds_on_another(document: dict[str, Any]) -> bool:
    """Return whether a stack uses the control plane or the members of another stack."""
    config = document.get("config") or {}
    control_plane = config.get("flotilla:controlPlane")
    return bool(config.get("flotilla:membersFrom")) or (isinstance(control_plane, dict) and "stack" in control_plane)


def _without_credentials(value: Any, folder: Path, place: str) -> Any:
    if isinstance(value, list):
        return [_without_credentials(entry, folder, f"{place}-{number}") for number, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if set(value) == {"secure"}:
        # A workload's `secrets` accept encrypted values only; this is such a value when it is read without passphrase.
        return HIDDEN if "-secrets-" in place else _PLACEHOLDER
    result = {}
    for key, entry in value.items():
        made_by_stack = isinstance(entry, dict) and "cluster" in entry and "stack" not in entry
        if key in _CREDENTIAL_KEYS and not made_by_stack:
            result[key] = _nowhere(folder, f"{place}-{key}")
        else:
            result[key] = _without_credentials(entry, folder, f"{place}-{str(key).rpartition(':')[2]}")
    return result


def _nowhere(folder: Path, name: str) -> str:
    name = name.lower()
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": _SERVER.format(name)}}],
        "users": [{"name": name, "user": {}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    file = folder / f"{name}.yaml"
    kubeconfigs.write(file, document)
    return str(file)
