"""The stack's configuration, taken out of the environment before the program starts anything, and what opens files."""

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
"""The variable that asks for a plan without the keys of encrypted files."""


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


def decryption() -> Callable[[Path], str] | None:
    """Return what decrypts files that are encrypted with SOPS; None where placeholders are to stand for their values.

    A check that has no keys asks for them by `FLOTILLA_WITHOUT_KEYS=1`. Only plans listen to it: nothing is ever made
    of placeholders.
    """
    without = bool(os.environ.get(WITHOUT_KEYS)) and pulumi.runtime.is_dry_run()
    return None if without else decrypted
