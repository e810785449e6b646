"""Kubeconfigs as plain data: reading them, narrowing them to one context, and making them self-contained."""

from __future__ import annotations

import base64
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from yaml import safe_dump

from flotilla.errors import FlotillaError
from flotilla.files import write_whole
from flotilla.kube import secrecy, yaml
from flotilla.kube.kubeconfig_rules import CredentialsError, check_cluster, check_shape, check_user
from flotilla.kube.reading import UnreadableFile, located, read_bytes, read_text

# Fields that name a file, and the fields that contain the same data inline (clientcmd/api/v1 types).
_INLINE = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
}


class KubeconfigError(FlotillaError):
    """A kubeconfig that can't be read, or that lacks the requested context."""


def load(text: str, *, origin: str = "kubeconfig") -> dict[str, Any]:
    """Parse a kubeconfig's text, as client-go does. Errors name it by `origin` and show none of its values.

    Raises:
        KubeconfigError: the text isn't YAML or isn't a kubeconfig, a name occurs twice in a list, or a value that must
            be a text has another type.
    """
    try:
        document = yaml.load(text)
    except yaml.YamlError as error:
        raise KubeconfigError(f"{origin} is not valid YAML: {error.message}") from None
    if not isinstance(document, dict) or not isinstance(document.get("clusters"), list):
        raise KubeconfigError(f"{origin} is not a kubeconfig: it has no list 'clusters'")
    try:
        check_shape(document)
    except CredentialsError as error:
        place = yaml.place_of(text, error.path)
        line = f", line {place.line}" if place else ""
        raise KubeconfigError(f"{origin}{line}: {error.message}") from None
    secrecy.remember_value([document.get("users"), document.get("clusters")])
    return document


def read(file: Path) -> dict[str, Any]:
    """Read a kubeconfig file; certificate paths in it are relative to its folder (see `select`).

    Raises:
        KubeconfigError: the file can't be read, or isn't a kubeconfig.
    """
    try:
        text = read_text(file)
    except UnreadableFile as error:
        if error.missing and os.pathsep in str(file):
            raise KubeconfigError(
                f"{file} is a list of files, as KUBECONFIG may be: name one file"
                " (`kubectl config view --flatten` makes one of several)"
            ) from None
        raise KubeconfigError(error.message) from None
    return load(text, origin=str(file))


def contexts(document: dict[str, Any]) -> list[str]:
    """Return the context names of a kubeconfig, in the order of the file."""
    return [str(entry["name"]) for entry in document.get("contexts") or []]


def select(document: dict[str, Any], context: str | None = None, *, base: Path | None = None) -> dict[str, Any]:
    """Return a kubeconfig with one context, its cluster and its user, certificates inline.

    Args:
        document: a parsed kubeconfig.
        context: the context to keep; the file's current one if None.
        base: the folder to which paths of certificates and programs are relative (the kubeconfig's own).

    Raises:
        KubeconfigError: the context or a part of it is missing, or a certificate file can't be read.
    """
    name = context or document.get("current-context")
    known = contexts(document)
    if not name:
        raise KubeconfigError(f"no context is named and the kubeconfig has no current one; it has {listed(known)}")
    entry = next((c for c in document.get("contexts") or [] if c["name"] == name), None)
    if entry is None:
        raise KubeconfigError(f"no context {name!r}; the kubeconfig has {listed(known)}")
    wanted = entry.get("context") or {}
    if not wanted.get("cluster"):
        raise KubeconfigError(f"the context {name!r} names no cluster")
    cluster = _named(document, "clusters", "cluster", wanted["cluster"])
    user = _named(document, "users", "user", wanted["user"]) if wanted.get("user") else {}  # anonymous
    user_name = wanted.get("user") or name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": wanted["cluster"], "cluster": _inline(cluster, base)}],
        "users": [{"name": user_name, "user": _with_absolute_command(_inline(user, base), base)}],
        "contexts": [{"name": name, "context": {"cluster": wanted["cluster"], "user": user_name}}],
    }


def checked(document: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig of one context (see `select`) after checking that client-go and Flotilla can use it.

    Raises:
        KubeconfigError: client-go would refuse it, or Flotilla's connections don't support it.
    """
    try:
        check_cluster(document["clusters"][0]["cluster"])
        check_user(document["users"][0]["user"])
    except CredentialsError as error:
        raise KubeconfigError(f"the context {document['current-context']!r}: {error.message}") from None
    return document


def server(document: dict[str, Any]) -> str:
    """Return the API server's URL of a kubeconfig that has one context (see `select`), without user and password."""
    return secrecy.without_user_info(str(document["clusters"][0]["cluster"].get("server", "")))


def server_of(text: str) -> str:
    """Return the API server's URL of a kubeconfig's current context."""
    return server(select(load(text)))


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
    """Return the content of a kubeconfig file merged with another kubeconfig; entries of the same name are replaced.

    The file's current context stays. If there is no file, the result is the other kubeconfig.

    Raises:
        KubeconfigError: the file exists, but isn't a kubeconfig.
    """
    if not file.exists():
        return document
    old = read(file)
    result = dict(old)
    for section in ("clusters", "users", "contexts"):
        new = {entry["name"]: entry for entry in document[section]}
        kept = [entry for entry in old.get(section) or [] if entry["name"] not in new]
        result[section] = [*kept, *new.values()]
    result.setdefault("current-context", document["current-context"])
    return result


def write(file: Path, document: dict[str, Any]) -> None:
    """Write a kubeconfig atomically, with mode 0600."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, dump(document), mode=0o600)


def dump(document: dict[str, Any]) -> str:
    """Return a kubeconfig as text; equal content gives equal text."""
    return _dumped(json.dumps(document, sort_keys=True))


@lru_cache(maxsize=128)
def _dumped(content: str) -> str:
    """Return a document as YAML. Cached, since a run writes each member's several times and certificates are long."""
    return safe_dump(json.loads(content), sort_keys=True)


def listed(names: list[str]) -> str:
    """Return names as a list for a message."""
    return yaml.escaped(", ".join(names)) or "none"


def _named(document: dict[str, Any], section: str, key: str, name: str) -> dict[str, Any]:
    for entry in document.get(section) or []:
        if entry["name"] == name:
            return dict(entry.get(key) or {})
    known = listed([str(entry["name"]) for entry in document.get(section) or []])
    raise KubeconfigError(f"the context refers to {key} {name!r}, which the kubeconfig doesn't have; it has {known}")


def _inline(section: dict[str, Any], base: Path | None) -> dict[str, Any]:
    result = dict(section)
    if result.get("tokenFile"):  # stays a file, since its content is renewed
        result["tokenFile"] = str(_located("tokenFile", result["tokenFile"], base))
    for path_key, data_key in _INLINE.items():
        path = result.pop(path_key, None)
        if not path or result.get(data_key):
            continue
        try:
            result[data_key] = base64.b64encode(read_bytes(_located(path_key, path, base))).decode()
        except UnreadableFile as error:
            raise KubeconfigError(f"{path_key} {error.message}") from None
    return result


def _with_absolute_command(user: dict[str, Any], base: Path | None) -> dict[str, Any]:
    """Return a user whose exec plugin has an absolute path; client-go starts it relative to the kubeconfig's folder."""
    plugin = user.get("exec")
    command = plugin.get("command") if isinstance(plugin, dict) else None
    if not isinstance(command, str) or base is None or os.sep not in command:
        return user
    return {**user, "exec": {**dict(plugin or {}), "command": str(base.absolute() / command)}}


def _located(key: str, path: str, base: Path | None) -> Path:
    try:
        return located(path, base)
    except UnreadableFile as error:
        raise KubeconfigError(f"{key} {error.message}") from None
