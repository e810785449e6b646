"""Runs a kubeconfig's exec plugin, with a bound on its time and on its output.

The protocol is client.authentication.k8s.io (v1 and v1beta1). The `kubernetes` package runs plugins without bounds,
and continues without credentials if a plugin fails.
"""

from __future__ import annotations

import datetime as dt
import json
import time
from dataclasses import dataclass
from typing import Any

from flotilla.kube import children
from flotilla.kube.answers import shortened
from flotilla.kube.secrecy import plugin_text, remember

EXEC_SECONDS = 30.0
"""How long a plugin may take."""
_LARGEST_OUTPUT = 2**20


class PluginError(Exception):
    """A plugin that gave no credentials; the text says why, and contains nothing of the plugin's standard output."""


@dataclass(frozen=True)
class PluginCredentials:
    """The credentials that a plugin gave."""

    token: str = ""
    certificate: str = ""
    """PEM."""
    key: str = ""
    """PEM."""
    expires: float | None = None
    """Seconds since the epoch; None if the plugin does not set a time."""

    def expired(self) -> bool:
        """Return whether the plugin has to be run again."""
        return self.expires is not None and self.expires <= time.time() + 10


def run_plugin(config: dict[str, Any], cluster: dict[str, Any], *, seconds: float = EXEC_SECONDS) -> PluginCredentials:
    """Run a kubeconfig's exec plugin.

    Args:
        config: the user's `exec` section.
        cluster: the cluster's section, which the plugin gets if `provideClusterInfo` is set.
        seconds: how long the plugin may take before its process group is killed.

    Raises:
        PluginError: the plugin can't be started, fails, takes too long, or doesn't print an ExecCredential.
    """
    command = config.get("command")
    if not isinstance(command, str) or not command:
        raise PluginError("its exec section names no command")
    try:
        arguments = [command, *(str(part) for part in config.get("args") or [])]
        environment = _environment(config, cluster)
        output = _output(arguments, environment, seconds)
    except OSError as error:
        hint = f" ({shortened(str(config['installHint']), 200)})" if config.get("installHint") else ""
        raise PluginError(f"{command} can't be started: {error.strerror or error}{hint}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        raise PluginError("its exec section is malformed") from None
    return _given(command, output, str(config.get("apiVersion") or ""))


def _environment(config: dict[str, Any], cluster: dict[str, Any]) -> dict[str, str]:
    wanted = {str(entry["name"]): str(entry.get("value") or "") for entry in config.get("env") or []}
    spec: dict[str, Any] = {"interactive": False}
    if config.get("provideClusterInfo"):
        spec["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
        for extension in cluster.get("extensions") or []:
            if extension.get("name") == "client.authentication.k8s.io/exec":
                spec["cluster"]["config"] = extension.get("extension")
    info = {"apiVersion": config.get("apiVersion"), "kind": "ExecCredential", "spec": spec}
    return {**children.environment(), **wanted, "KUBERNETES_EXEC_INFO": json.dumps(info)}


def _output(arguments: list[str], environment: dict[str, str], seconds: float) -> bytes:
    ended = children.bounded(arguments, environment, seconds=seconds, largest=_LARGEST_OUTPUT)
    if len(ended.output) > _LARGEST_OUTPUT:
        raise PluginError(f"{arguments[0]} printed more than {_LARGEST_OUTPUT} bytes")
    if ended.late:
        raise PluginError(f"{arguments[0]} did not end within {seconds:.0f} s")
    if ended.code:
        lines = ended.errors.decode("utf-8", "replace").strip().splitlines()
        why = f": {shortened(plugin_text(lines[-1]), 200)}" if lines else ""
        raise PluginError(f"{arguments[0]} failed with exit code {ended.code}{why}")
    return ended.output


def _given(command: str, output: bytes, version: str) -> PluginCredentials:
    try:
        found = json.loads(output)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get("kind") != "ExecCredential":
        raise PluginError(f"{command} printed no ExecCredential")
    if found.get("apiVersion") != version:
        theirs = shortened(str(found.get("apiVersion")))
        raise PluginError(f"{command} answered in {theirs}; the kubeconfig asks for {version}")
    status = found.get("status")
    status = status if isinstance(status, dict) else {}
    texts = {key: status.get(key) or "" for key in ("token", "clientCertificateData", "clientKeyData")}
    token, certificate, key = (value if isinstance(value, str) else "" for value in texts.values())
    if not token and not (certificate and key):
        raise PluginError(f"{command} gave neither a token nor a client certificate with its key")
    remember(token, key)
    return PluginCredentials(token, certificate, key, _time(status.get("expirationTimestamp")))


def _time(text: Any) -> float | None:
    try:
        return dt.datetime.fromisoformat(str(text)).timestamp() if text else None
    except ValueError:
        return None
