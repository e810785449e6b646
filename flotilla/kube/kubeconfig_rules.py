"""Rules for kubeconfigs: what client-go refuses, and what Flotilla's connections don't support.

No message shows a value, since any value may be a secret. The rules of client-go are those of clientcmd's conversion
(duplicate names), of its validation (`validateClusterInfo`, `validateAuthInfo`) and of rest.TLSConfigFor.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import urlsplit

from flotilla.errors import FlotillaError


class CredentialsError(FlotillaError):
    """An error in a kubeconfig; `path` is the path of the wrong part."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        """Keep the path, from which the caller, who has the text, finds the line."""
        super().__init__(message)
        self.path = path


_SECTIONS = {"clusters": "cluster", "users": "user", "contexts": "context"}
_CLUSTER_TEXTS = ("server", "tls-server-name", "certificate-authority", "certificate-authority-data", "proxy-url")
_USER_TEXTS = (
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
)
_TEXTS = {"clusters": _CLUSTER_TEXTS, "users": _USER_TEXTS, "contexts": ("cluster", "user", "namespace")}
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")


def check_shape(document: dict[str, Any]) -> None:
    """Check the lists of a kubeconfig and the types of their values.

    Raises:
        CredentialsError: an entry has no name, a name occurs twice, or a value has the wrong type.
    """
    _text(document, "current-context", ())
    for section, part in _SECTIONS.items():
        entries = document.get(section)
        if not isinstance(entries, list | None):
            raise CredentialsError(f"'{section}' must be a list of entries with name and {part}", (section,))
        seen = set()
        for index, entry in enumerate(entries or []):
            where = f"{section}[{index}]"
            if not isinstance(entry, dict):
                raise CredentialsError(f"{where} must be a mapping with name and {part}", (section, index))
            name = _text(entry, "name", (section, index))
            if not name:
                raise CredentialsError(f"{where} has no name", (section, index))
            if name in seen:
                raise CredentialsError(
                    f"the name {name!r} occurs twice in '{section}': it is not clear which one is meant; rename one"
                    " (kubectl refuses the file too)",
                    (section, index, "name"),
                )
            seen.add(name)
            body = entry.get(part)
            if not isinstance(body, dict | None):
                raise CredentialsError(f"{where}.{part} must be a mapping", (section, index, part))
            for key in _TEXTS[section]:
                _text(body or {}, key, (section, index, part))


def check_cluster(cluster: dict[str, Any]) -> None:
    """Check a cluster's entry.

    Raises:
        CredentialsError: client-go would refuse it, or Flotilla's connections don't support it.
    """
    skip = cluster.get("insecure-skip-tls-verify")
    if not isinstance(skip, bool | None):
        raise CredentialsError("insecure-skip-tls-verify must be true or false")
    trusted = cluster.get("certificate-authority-data") or cluster.get("certificate-authority")
    if skip and trusted:
        raise CredentialsError(
            "insecure-skip-tls-verify is set together with a certificate authority, which would not be used: remove one"
        )
    _base64(cluster, "certificate-authority-data")
    proxy = cluster.get("proxy-url")
    if proxy and url_problem(proxy):
        raise CredentialsError(f"proxy-url {url_problem(proxy)} (socks5 is not supported here)")


def check_user(user: dict[str, Any]) -> None:
    """Check a user's entry.

    Raises:
        CredentialsError: client-go would refuse it, or Flotilla's connections don't support it.
    """
    if user.get("auth-provider"):
        raise CredentialsError("its user has an auth-provider, which client-go no longer has: use an exec plugin")
    given = [key for key in _IMPERSONATION if user.get(key)]
    if given:
        raise CredentialsError(f"its user impersonates another ({', '.join(given)}), which is not supported here")
    for part in ("client-certificate", "client-key"):
        _base64(user, f"{part}-data")
    if _either(user, "client-certificate") and not _either(user, "client-key"):
        raise CredentialsError("its user has a client certificate without a key: add client-key or client-key-data")
    _check_texts(user)
    if user.get("exec") is not None:
        _check_exec(user)


def _check_texts(user: dict[str, Any]) -> None:
    """Check the token, and that there is not a password as well."""
    token = (user.get("token") or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise CredentialsError("its user's token has a line break or another character that a token can't have")
    if user.get("username") and (token or user.get("tokenFile")):
        raise CredentialsError("its user has a token and a password: only one way to authenticate is allowed")


def _check_exec(user: dict[str, Any]) -> None:
    plugin = user["exec"]
    if not isinstance(plugin, dict):
        raise CredentialsError("its user's exec must be a mapping with apiVersion and command")
    if user.get("username"):
        raise CredentialsError("its user has an exec plugin and a password: only one way to authenticate is allowed")
    if not _text(plugin, "command", ("exec",)):
        raise CredentialsError("its user's exec has no command")
    if _text(plugin, "apiVersion", ("exec",)) not in _EXEC_VERSIONS:
        raise CredentialsError(f"its user's exec has no apiVersion of {' or '.join(_EXEC_VERSIONS)}")
    args, env = plugin.get("args"), plugin.get("env")
    if not isinstance(args, list | None) or not all(isinstance(word, str) for word in args or []):
        raise CredentialsError("its user's exec.args must be a list of texts: quote numbers and booleans")
    if not isinstance(env, list | None) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("value"), str)
        for one in env or []
    ):
        raise CredentialsError("its user's exec.env must be a list of entries with name and value, both texts")


def url_problem(url: str) -> str:
    """Return why a text is not the URL of an HTTP server; empty if it is one."""
    if not url.isprintable() or " " in url:
        return "has spaces or characters that a URL can't have"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not a URL: its host or port can't be read"
    if parts.scheme not in ("https", "http"):
        return "has no scheme http or https"
    if not parts.hostname or port == 0:
        return "names no host"
    return ""


def same_server(cluster: dict[str, Any]) -> tuple[str, ...]:
    """Return a key that is equal for two cluster entries if they lead to the same API server."""
    parts = urlsplit(str(cluster.get("server", "")))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = f"{parts.scheme}://{(parts.hostname or '').lower()}:{port}{parts.path.rstrip('/')}"
    trusted = "".join(str(cluster.get("certificate-authority-data") or "").split())
    return (address, trusted, cluster.get("tls-server-name") or "", cluster.get("proxy-url") or "")


def _text(holder: dict[str, Any], key: str, where: tuple[str | int, ...]) -> str:
    value = holder.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        kinds = {bool: "a boolean", int: "a number", float: "a number", dict: "a mapping", list: "a list"}
        path = (*where, key)
        called = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
        raise CredentialsError(f"{called} is {kinds[type(value)]} and must be a text: quote it", path)
    return value


def _either(user: dict[str, Any], key: str) -> bool:
    return bool(user.get(key) or user.get(f"{key}-data"))


def _base64(holder: dict[str, Any], key: str) -> None:
    value = holder.get(key)
    if not value:
        return
    try:
        base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise CredentialsError(f"{key} is not base64") from None
