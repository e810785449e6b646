"""The stack's configuration, taken out of the environment before the program starts anything."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

from flotilla.stack.secret_facts import MEMBERS, check_facts


def take_config(base: Path | None = None) -> dict[str, str]:
    """Return the stack's configuration: by `project:key`, as texts, decrypted.

    Pulumi's language host puts the decrypted configuration into the program's environment, which every exec plugin
    and every other child process would inherit. It moves into the SDK, where `pulumi.Config` finds it.

    Args:
        base: the project's folder, whose stack file says what was encrypted.

    Raises:
        ConfigError: a value is encrypted that would not stay secret.
    """
    given = os.environ.pop("PULUMI_CONFIG", None)
    secret_keys = os.environ.pop("PULUMI_CONFIG_SECRET_KEYS", None)
    if given:
        pulumi.runtime.set_all_config(json.loads(given), json.loads(secret_keys or "[]"))
    if base and pulumi.runtime.is_config_secret(MEMBERS):
        check_facts(base / "stacks" / f"Pulumi.{pulumi.get_stack()}.yaml")
    return dict(CONFIG.get())
