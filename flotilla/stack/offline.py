"""A stack file without credentials: for checks of what it declares where no cluster may or can be asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.secrecy import HIDDEN

_PLACEHOLDER = "placeholder"
# `.invalid` is no domain of anybody's (RFC 2606): nothing is asked.
_SERVER = "https://{}.invalid:6443"
_HOLDING = ("kubeconfig", "host")


def offline(document: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a stack file's content without credentials.

    Args:
        document: the content.
        folder: where kubeconfigs that lead nowhere are written.
    """
    return {"config": _without_credentials(dict(document.get("config") or {}), folder, "config")}


def builds_on_another(document: dict[str, Any]) -> bool:
    """Tell whether a stack takes its control plane or its members from another one."""
    config = document.get("config") or {}
    control_plane = config.get("flotilla:controlPlane")
    return bool(config.get("flotilla:membersFrom")) or (isinstance(control_plane, dict) and "stack" in control_plane)


def _without_credentials(value: Any, folder: Path, place: str) -> Any:
    if isinstance(value, list):
        return [_without_credentials(entry, folder, f"{place}-{number}") for number, entry in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if set(value) == {"secure"}:
        # A workload's `secrets` take encrypted values only, and this is what they are without their passphrase.
        return HIDDEN if "-secrets-" in place else _PLACEHOLDER
    result = {}
    for key, entry in value.items():
        made_by_stack = isinstance(entry, dict) and "cluster" in entry and "stack" not in entry
        if key in _HOLDING and not made_by_stack:
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
