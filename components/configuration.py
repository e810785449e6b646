"""The stack's configuration, removed from the environment before child processes start, and the decryption of files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG

from flotilla.stack.secret_facts import MEMBERS, check_facts
from flotilla.workloads.sops import decrypted

WITHOUT_KEYS = "FLOTILLA_WITHOUT_KEYS"
"""The environment variable that requests a plan without the keys of encrypted files."""


def take_config(base: Path | None = None) -> dict[str, str]:
    """Return the stack's configuration as decrypted texts, by `project:key`.

    Pulumi's language host puts the decrypted configuration into the program's environment, which every exec plugin and
    every other child process would inherit. This function moves it into the SDK, where `pulumi.Config` finds it.

    Args:
        base: the project's folder; its stack file shows which values were encrypted.

    Raises:
        ConfigError: an encrypted value would not stay secret.
    """
    given = os.environ.pop("PULUMI_CONFIG", None)
    secret_keys = os.environ.pop("PULUMI_CONFIG_SECRET_KEYS", None)
    if given:
        pulumi.runtime.set_all_config(json.loads(given), json.loads(secret_keys or "[]"))
    if base and pulumi.runtime.is_config_secret(MEMBERS):
        check_facts(base / "stacks" / f"Pulumi.{pulumi.get_stack()}.yaml")
    return dict(CONFIG.get())


def decryption() -> Callable[[Path], str] | None:
    """Return the function that decrypts SOPS files; None where placeholders should replace their values.

    A check without keys requests placeholders with `FLOTILLA_WITHOUT_KEYS=1`. Only plans respect this: an update never
    uses placeholders.
    """
    without = bool(os.environ.get(WITHOUT_KEYS)) and pulumi.runtime.is_dry_run()
    return None if without else decrypted
