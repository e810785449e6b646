"""The environment of the programs that are started: this process's own, without what opens the stack's secrets.

Pulumi's CLI alone gets all of it: it needs the passphrase and the access token.
"""

from __future__ import annotations

import os

_KEPT_BACK = ("PULUMI_ACCESS_TOKEN", "GITHUB_TOKEN", "GITLAB_TOKEN")
# The decrypted configuration (PULUMI_CONFIG), its keys, single values of it, and the passphrase.
_PREFIX = "PULUMI_CONFIG"


def environment(**more: str) -> dict[str, str]:
    """Return the environment for a child process, with `more` in it."""
    kept = {key: value for key, value in os.environ.items() if not _kept_back(key)}
    return {**kept, **more}


def _kept_back(key: str) -> bool:
    return key in _KEPT_BACK or key.startswith(_PREFIX)
