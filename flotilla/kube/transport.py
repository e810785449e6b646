"""The sockets, TLS settings and credentials that a blocking connection and those derived from it share.

The `kubernetes` package is used only for auth providers and proxies. Importing it takes longer than everything else
that a quick verb does, so for other kubeconfigs this module makes the same urllib3 pool itself.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import sys
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import urllib3

from flotilla.errors import ClusterError
from flotilla.kube import keys
from flotilla.kube.answers import shortened
from flotilla.kube.credentials import Credentials, unusable_kubeconfig
from flotilla.kube.objects import Object

# The package stores certificates in temporary files that all clients share, and has no lock for them.
CLIENT_LOCK = threading.Lock()


@dataclass(frozen=True)
class Opened:
    """A pool of sockets to one server."""

    pool: Any
    """urllib3.PoolManager, or a ProxyManager."""
    host: str
    settings: Any = None
    """The `kubernetes` package's settings, with the user's credentials; None if the package was not used."""


class Transport:
    """The pool of a connection, opened at the first use. Safe to use from many threads."""

    def __init__(self, document: Object, name: str, concurrency: int) -> None:
        """Keep a kubeconfig of one context; no file is read yet."""
        self._credentials = Credentials(document, name)
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._opened: Opened | None = None

    def opened(self, name: str) -> Opened:
        """Return the pool; open it at the first call.

        Raises:
            ClusterError: the kubeconfig can't be used.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open(name)
            return self._opened

    def headers(self, name: str) -> dict[str, str]:
        """Return the current headers that identify the user.

        Raises:
            ClusterError: the credentials can't be read, or can't be sent in a header.
        """
        own = self._credentials.headers()
        if own is not None:
            return own
        settings = self.opened(name).settings
        try:
            found = settings.auth_settings().values()  # may renew an auth provider's token
        except Exception as error:  # noqa: BLE001 - any error of a credentials provider becomes this cluster's error
            raise unusable(name, error) from None
        return {entry["key"]: entry["value"] for entry in found if entry["in"] == "header" and entry["value"]}

    @property
    def renewable(self) -> bool:
        """Whether a plugin can give new credentials."""
        return self._credentials.runs_a_plugin

    def renew(self) -> None:
        """Run the plugin again before the next request; the pool is opened again, since its certificate may change."""
        if self._credentials.renewed():
            with self._lock:
                self._opened = None

    def _open(self, name: str) -> Opened:
        plain = self._credentials.plain()
        check_values(plain, name)
        try:
            opened = (_open_with_package if _needs_the_package(plain) else _open_directly)(plain, self._concurrency)
        except Exception as error:  # noqa: BLE001 - the package raises errors of any type for unexpected values
            raise unusable(name, error) from None
        unreadable = keys.load(opened.pool, plain)
        if unreadable:
            raise unusable(name, unreadable)
        return opened


def _needs_the_package(document: Object) -> bool:
    """Return whether a kubeconfig of one context needs a proxy or an auth provider, which the package supports."""
    cluster, user = document["clusters"][0]["cluster"] or {}, document["users"][0]["user"] or {}
    if "proxy-url" in cluster or "auth-provider" in user:
        return True
    if sys.platform in ("darwin", "win32"):  # on these systems, proxies may be set for the whole system
        from urllib.request import getproxies

        return bool(getproxies())
    names = {name.lower() for name, value in os.environ.items() if value}
    return any(name.endswith("_proxy") and name != "no_proxy" for name in names)


def _open_directly(document: Object, concurrency: int) -> Opened:
    cluster = document["clusters"][0]["cluster"] or {}
    verified = not cluster.get("insecure-skip-tls-verify", False)
    settings: dict[str, Any] = {
        "cert_reqs": ssl.CERT_REQUIRED if verified else ssl.CERT_NONE,
        "ca_certs": None,
        "cert_file": None,
        "key_file": None,
        "maxsize": concurrency,
        "retries": False,
    }
    if cluster.get("tls-server-name"):
        settings["server_hostname"] = cluster["tls-server-name"]
    return Opened(urllib3.PoolManager(**settings), str(cluster["server"]).rstrip("/"))


def _open_with_package(document: Object, concurrency: int) -> Opened:
    from kubernetes.client import Configuration
    from kubernetes.config import new_client_from_config_dict

    settings = Configuration()
    settings.connection_pool_maxsize = concurrency
    settings.retries = False
    with CLIENT_LOCK:
        client = new_client_from_config_dict(
            keys.without(document), client_configuration=settings, persist_config=False
        )
    return Opened(client.rest_client.pool_manager, str(client.configuration.host).rstrip("/"), client.configuration)


def check_values(document: Object, name: str) -> None:
    """Check that a kubeconfig's addresses and inline certificates can be read; a later error would be less precise.

    Raises:
        ClusterError: an address or a certificate can't be read.
    """
    cluster, user = document["clusters"][0]["cluster"] or {}, document["users"][0]["user"] or {}
    for key, schemes in (("server", ("https", "http")), ("proxy-url", ("https", "http", "socks5", "socks5h"))):
        if (key == "server" or cluster.get(key)) and not _is_address(cluster.get(key), schemes):
            raise unusable(name, f"its {key} is not an {schemes[0]}:// address")
    authority = _decoded(cluster, "certificate-authority-data", name)
    if authority:
        try:
            ssl.create_default_context(cadata=authority.decode("ascii"))
        except (ssl.SSLError, ValueError):
            raise unusable(name, "its certificate-authority-data is not a PEM certificate") from None
    for part in ("client-certificate-data", "client-key-data"):
        content = _decoded(user, part, name)
        if content and b"-----BEGIN" not in content:
            raise unusable(name, f"its {part} is not PEM")


def unusable(name: str, error: BaseException | str) -> ClusterError:
    """Return the error for a kubeconfig with which no request can be sent."""
    return unusable_kubeconfig(name, error if isinstance(error, str) else _reason(error))


def _reason(error: BaseException) -> str:
    if isinstance(error, urllib3.exceptions.HTTPError) or type(error).__module__.startswith("kubernetes."):
        return shortened(str(error), 200)
    if isinstance(error, OSError):
        return shortened(error.strerror or type(error).__name__, 200)
    return f"a value in it has a form that is not expected ({type(error).__name__})"


def _is_address(value: Any, schemes: tuple[str, ...]) -> bool:
    try:
        where = urlsplit(value)
        return value.isprintable() and where.scheme in schemes and bool(where.hostname) and where.port != 0
    except (ValueError, TypeError, AttributeError):
        return False


def _decoded(section: Object, key: str, name: str) -> bytes:
    value = section.get(key)
    if not value:
        return b""
    try:
        plain = value if isinstance(value, bytes) else "".join(str(value).split()).encode("ascii")
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError):
        raise unusable(name, f"its {key} is not base64") from None
