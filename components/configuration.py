"""The stack's configuration, taken out of the environment before the program starts anything."""

from __future__ import annotations

import json
import os

import pulumi
from pulumi.runtime.config import CONFIG


def take_config() -> dict[str, str]:
    """Return the stack's configuration: by `project:key`, as texts, decrypted.

    Pulumi's language host puts the decrypted configuration into the program's environment, which every exec plugin
    and every other child process would inherit. It moves into the SDK, where `pulumi.Config` finds it.
    """
    given = os.environ.pop("PULUMI_CONFIG", None)
    secret_keys = os.environ.pop("PULUMI_CONFIG_SECRET_KEYS", None)
    if given:
        pulumi.runtime.set_all_config(json.loads(given), json.loads(secret_keys or "[]"))
    return dict(CONFIG.get())
