"""Kubeconfigs as plain data: read, narrowed to one context, and self-contained."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import yaml

from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube import secrecy

# Fields that name a file, and the field that carries the same content inline (clientcmd/api/v1 types).
_INLINE = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


class KubeconfigError(FlotillaError):
    """A kubeconfig that can't be read, or that has no such context."""


def load(text: str, *, origin: str = "kubeconfig") -> dict[str, Any]:
    """Parse a kubeconfig's text. `origin` names it in errors; its content never appears there."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise KubeconfigError(f"{origin} is not YAML{line}") from None
    if not isinstance(document, dict) or not isinstance(document.get("clusters"), list):
        raise KubeconfigError(f"{origin} is not a kubeconfig: it has no list 'clusters'")
    secrecy.remember_value([document.get("users"), document.get("clusters")])
    return document


def contexts(document: dict[str, Any]) -> list[str]:
    """Return the context names of a kubeconfig, in file order."""
    return [str(entry["name"]) for entry in document.get("contexts") or []]


def select(document: dict[str, Any], context: str | None = None, *, base: Path | None = None) -> dict[str, Any]:
    """Return a kubeconfig with one context, its cluster and its user, certificates inline.

    Args:
        document: a parsed kubeconfig.
        context: the context to keep; the file's current one if None.
        base: the folder that relative certificate paths refer to (the kubeconfig's own).

    Raises:
        KubeconfigError: no such context, or a certificate file that can't be read.
    """
    name = context or document.get("current-context")
    known = contexts(document)
    if not name:
        raise KubeconfigError(f"no context is named and the kubeconfig has no current one; it has {known}")
    entry = next((c for c in document.get("contexts") or [] if c["name"] == name), None)
    if entry is None:
        raise KubeconfigError(f"no context {name!r}; the kubeconfig has {', '.join(known) or 'none'}")
    wanted = entry["context"]
    cluster = _named(document, "clusters", "cluster", wanted.get("cluster", ""))
    user = _named(document, "users", "user", wanted.get("user", "")) if wanted.get("user") else {}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": wanted["cluster"], "cluster": _inline(cluster, base)}],
        "users": [{"name": wanted.get("user", name), "user": _inline(user, base)}],
        "contexts": [{"name": name, "context": {"cluster": wanted["cluster"], "user": wanted.get("user", name)}}],
    }


def server(document: dict[str, Any]) -> str:
    """Return the API server's URL of a kubeconfig that has one context (see `select`), without user and password."""
    return secrecy.without_user_info(str(document["clusters"][0]["cluster"].get("server", "")))


def server_of(text: str) -> str:
    """Return the API server's URL of a kubeconfig's current context."""
    return server(select(load(text)))


def without_token_file(document: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig of one context whose user names no token file: who reads that anew needs no other reader."""
    user = document["users"][0]
    given = {key: value for key, value in user["user"].items() if key != "tokenFile"}
    return {**document, "users": [{**user, "user": given}]}


def renamed(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a kubeconfig of one context with its context, cluster and user called `name`."""
    return {
        **document,
        "current-context": name,
        "clusters": [{"name": name, "cluster": document["clusters"][0]["cluster"]}],
        "users": [{"name": name, "user": document["users"][0]["user"]}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def merged(file: Path, document: dict[str, Any]) -> dict[str, Any]:
    """Return what a kubeconfig file becomes with the entries of another: the same names are replaced.

    The file's current context stays; where there is no file, it is the new one.

    Raises:
        KubeconfigError: the file is there, but isn't a kubeconfig.
    """
    if not file.exists():
        return document
    held = load(file.read_text(), origin=str(file))
    result = dict(held)
    for section in ("clusters", "users", "contexts"):
        new = {entry["name"]: entry for entry in document[section]}
        kept = [entry for entry in held.get(section) or [] if entry["name"] not in new]
        result[section] = [*kept, *new.values()]
    result.setdefault("current-context", document["current-context"])
    return result


def write(file: Path, document: dict[str, Any]) -> None:
    """Write a kubeconfig, mode 0600, as a whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, dump(document), mode=0o600)


def dump(document: dict[str, Any]) -> str:
    """Return a kubeconfig as text, always the same for the same content."""
    return yaml.safe_dump(document, sort_keys=True)


def _named(document: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry["name"] == name:
            return dict(entry.get(key) or {})
    raise KubeconfigError(f"the context refers to {key} {name!r}, which the kubeconfig doesn't have")


def _inline(section: dict[str, Any], base: Path | None) -> dict[str, Any]:
    result = dict(section)
    if result.get("tokenFile"):  # stays a file: what is in it is renewed
        result["tokenFile"] = str(_located(result["tokenFile"], base))
    for path_key, data_key in _INLINE.items():
        path = result.pop(path_key, None)
        if not path or data_key in result:
            continue
        file = _located(path, base)
        try:
            result[data_key] = base64.b64encode(file.read_bytes()).decode()
        except OSError as error:
            raise KubeconfigError(f"{path_key} {file} can't be read: {error.strerror}") from None
    return result


def _located(path: str, base: Path | None) -> Path:
    file = Path(path).expanduser()
    return file if file.is_absolute() or base is None else base / file
