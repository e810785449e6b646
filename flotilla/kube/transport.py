"""What a blocking connection and those derived from it share: sockets, TLS settings, and who the user is.

The `kubernetes` package opens what needs it: auth providers and proxies. Importing it takes longer than everything else
that a quick verb does, so other kubeconfigs get the same pool of urllib3's without it.
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

# The package keeps certificates in temporary files that all clients share, without a lock of its own.
MAKING = threading.Lock()


@dataclass(frozen=True)
class Opened:
    """A pool of sockets to one server."""

    pool: Any
    """urllib3.PoolManager, or a ProxyManager."""
    host: str
    settings: Any = None
    """What the `kubernetes` package knows of the user; None where it was not asked."""


class Transport:
    """Made when it is needed first. Safe to use from many threads."""

    def __init__(self, document: Object, name: str, concurrency: int) -> None:
        """Take a kubeconfig of one context; nothing of it is read yet."""
        self._credentials = Credentials(document, name)
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._opened: Opened | None = None

    def opened(self, name: str) -> Opened:
        """Return the sockets.

        Raises:
            ClusterError: the kubeconfig can't be used.
        """
        with self._lock:
            if self._opened is None:
                self._opened = self._open(name)
            return self._opened

    def headers(self, name: str) -> dict[str, str]:
        """Return the headers that identify the user, as they are now.

        Raises:
            ClusterError: there are none to be had, or they can't be sent.
        """
        own = self._credentials.headers()
        if own is not None:
            return own
        settings = self.opened(name).settings
        try:
            found = settings.auth_settings().values()  # runs what renews an auth provider's token
        except Exception as error:  # noqa: BLE001 - whatever a provider of credentials raises is this cluster's error
            raise unusable(name, error) from None
        return {entry["key"]: entry["value"] for entry in found if entry["in"] == "header" and entry["value"]}

    @property
    def renewable(self) -> bool:
        """A plugin can be asked for other credentials."""
        return self._credentials.runs_a_plugin

    def renew(self) -> None:
        """Ask the plugin again before the next request; it may give another certificate."""
        if self._credentials.renewed():
            with self._lock:
                self._opened = None

    def _open(self, name: str) -> Opened:
        plain = self._credentials.plain()
        check_values(plain, name)
        try:
            opened = (_by_the_package if _needs_the_package(plain) else _directly)(plain, self._concurrency)
        except Exception as error:  # noqa: BLE001 - the package raises of every kind for values that it doesn't expect
            raise unusable(name, error) from None
        unreadable = keys.load(opened.pool, plain)
        if unreadable:
            raise unusable(name, unreadable)
        return opened


def _needs_the_package(document: Object) -> bool:
    """Tell whether a kubeconfig of one context needs a proxy or an auth provider, which the package knows."""
    cluster, user = document["clusters"][0]["cluster"] or {}, document["users"][0]["user"] or {}
    if "proxy-url" in cluster or "auth-provider" in user:
        return True
    if sys.platform in ("darwin", "win32"):  # proxies may be set for the whole system there
        from urllib.request import getproxies

        return bool(getproxies())
    names = {name.lower() for name, value in os.environ.items() if value}
    return any(name.endswith("_proxy") and name != "no_proxy" for name in names)


def _directly(document: Object, concurrency: int) -> Opened:
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


def _by_the_package(document: Object, concurrency: int) -> Opened:
    from kubernetes.client import Configuration
    from kubernetes.config import new_client_from_config_dict

    settings = Configuration()
    settings.connection_pool_maxsize = concurrency
    settings.retries = False
    with MAKING:
        client = new_client_from_config_dict(
            keys.without(document), client_configuration=settings, persist_config=False
        )
    return Opened(client.rest_client.pool_manager, str(client.configuration.host).rstrip("/"), client.configuration)


def check_values(document: Object, name: str) -> None:
    """Look whether a kubeconfig's addresses and inline certificates can be read: later the error would say less.

    Raises:
        ClusterError: one can't.
    """
    cluster, user = document["clusters"][0]["cluster"] or {}, document["users"][0]["user"] or {}
    for key, schemes in (("server", ("https", "http")), ("proxy-url", ("https", "http", "socks5", "socks5h"))):
        if (key == "server" or cluster.get(key)) and not _is_address(cluster.get(key), schemes):
            raise unusable(name, f"its {key} is no {schemes[0]}:// address")
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
    """Return the error for a kubeconfig that nothing can be sent with."""
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
