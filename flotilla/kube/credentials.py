"""The credentials that go with each request: a token, the content of a token file, a plugin's, or a password."""

from __future__ import annotations

import base64
import threading
import time
from pathlib import Path
from typing import Any

from flotilla.errors import ClusterError
from flotilla.kube.exec_plugin import PluginCredentials, PluginError, run_plugin
from flotilla.kube.objects import Object

# Requests that run in parallel or follow soon do not each wait for a plugin that has just failed.
_FAILED_SECONDS = 30.0
_OWN = ("token", "tokenFile", "exec", "username", "password")


class Credentials:
    """A kubeconfig's user. Safe to use from many threads; a plugin runs in the thread that needs it."""

    def __init__(self, document: Object, name: str) -> None:
        """Keep a kubeconfig of one context, and the cluster's name in errors; no file is read and no plugin run yet."""
        self._user: dict[str, Any] = document["users"][0]["user"] or {}
        self._document = document
        self._name = name
        self._lock = threading.Lock()
        self._given: PluginCredentials | None = None
        self._failed: tuple[float, str] = (float("-inf"), "")

    @property
    def runs_a_plugin(self) -> bool:
        """Whether a plugin gives the credentials, so that `headers` may take seconds."""
        return "exec" in self._user and not self._simple()

    def plain(self) -> Object:
        """Return the kubeconfig for the TLS settings: without the fields for headers, with a plugin's certificate.

        Raises:
            ClusterError: the plugin gives no credentials.
        """
        user = {key: value for key, value in self._user.items() if key not in _OWN}
        given = self._from_plugin() if self.runs_a_plugin else None
        if given is not None and given.certificate:
            user["client-certificate-data"] = base64.b64encode(given.certificate.encode()).decode()
            user["client-key-data"] = base64.b64encode(given.key.encode()).decode()
        return {**self._document, "users": [{**self._document["users"][0], "user": user}]}

    def headers(self) -> dict[str, str] | None:
        """Return the headers that identify the user; None for an auth provider, which the `kubernetes` package handles.

        Raises:
            ClusterError: the credentials can't be read, or can't be sent in a header.
        """
        if "auth-provider" in self._user:
            return None
        token = self._token()
        if token is not None:
            return {"authorization": f"Bearer {token}"}
        if "username" in self._user and "password" in self._user:
            pair = f"{self._user['username']}:{self._user['password']}"
            return {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        return {}

    def renewed(self) -> bool:
        """Discard the plugin's credentials, which the server refused; return False if there were none."""
        with self._lock:
            refused, self._given = self._given, None
        return refused is not None

    def _simple(self) -> bool:
        return bool(self._user.get("tokenFile") or self._user.get("token"))

    def _token(self) -> str | None:
        if self._user.get("tokenFile"):
            return self._sendable(self._from_file(str(self._user["tokenFile"])), "its tokenFile")
        if self._user.get("token"):
            return self._sendable(str(self._user["token"]), "its token")
        if self.runs_a_plugin:
            given = self._from_plugin()
            return self._sendable(given.token, "the token of its exec plugin") if given.token else None
        return None

    def _from_file(self, file: str) -> str:
        try:
            return Path(file).read_text("utf-8")
        except OSError as error:
            raise self._unusable(f"its tokenFile {file} can't be read: {error.strerror}") from None
        except ValueError:
            raise self._unusable(f"its tokenFile {file} is not text") from None

    def _from_plugin(self) -> PluginCredentials:
        with self._lock:
            if self._given is not None and not self._given.expired():
                return self._given
            since, why = self._failed
            if time.monotonic() - since < _FAILED_SECONDS:
                raise self._unusable(why)
            try:
                self._given = run_plugin(self._user["exec"] or {}, self._document["clusters"][0]["cluster"])
            except PluginError as error:
                self._failed = (time.monotonic(), str(error))
                raise self._unusable(str(error)) from None
            return self._given

    def _sendable(self, token: str, what: str) -> str:
        """Return a token as client-go sends it: without surrounding white space."""
        plain = token.strip()
        if not plain:
            raise self._unusable(f"{what} is empty")
        if not (plain.isascii() and plain.isprintable()):
            raise self._unusable(f"{what} has a line break or another character in it that no header may have")
        return plain

    def _unusable(self, why: str) -> ClusterError:
        return unusable_kubeconfig(self._name, why)


def unusable_kubeconfig(name: str, why: str) -> ClusterError:
    """Return the error for a kubeconfig with which no request can be sent; `name` is the cluster's."""
    error = ClusterError(f"{name}: the kubeconfig can't be used: {why}")
    error.nothing_done = error.whole_cluster = True
    return error
