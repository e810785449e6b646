"""The environment of the programs that are started: this process's own, without what opens the stack's secrets.

Pulumi's CLI alone gets all of it: it needs the passphrase and the access token.
"""

from __future__ import annotations

import os
from typing import Any

_KEPT_BACK = ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN")
# The decrypted configuration (PULUMI_CONFIG), its keys, single values of it, and the passphrase.
_PREFIX = "PULUMI_CONFIG"


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child process, with `more` in it."""
    kept = {key: value for key, value in os.environ.items() if not _kept_back(key)}
    return {**kept, **more}


def without_secrets(document: dict[str, Any]) -> dict[str, Any]:
    """Return a kubeconfig of one context whose exec plugin sees none of what is kept back.

    The `kubernetes` package gives a plugin the whole environment, over which the kubeconfig's own entries go. What
    the kubeconfig itself sets for its plugin stays.
    """
    user = document["users"][0]
    plugin = user["user"].get("exec")
    if not isinstance(plugin, dict):
        return document
    own = list(plugin.get("env") or [])
    named = {entry.get("name") for entry in own if isinstance(entry, dict)}
    hidden = [{"name": key, "value": ""} for key in sorted(os.environ) if _kept_back(key) and key not in named]
    secluded = {**user["user"], "exec": {**plugin, "env": [*own, *hidden]}}
    return {**document, "users": [{**user, "user": secluded}]}


def _kept_back(key: str) -> bool:
    return key in _KEPT_BACK or key.startswith(_PREFIX)
