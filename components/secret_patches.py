"""Secrets of a workload: values that overrides set in them are secret, and placeholders never become Secrets."""

from __future__ import annotations

from typing import Any

import pulumi

from flotilla.errors import FlotillaError
from flotilla.kube.objects import ref_of
from flotilla.kube.secrecy import HIDDEN, carries_secret, is_veiled


def sealed_patches(rules: list[dict[str, Any]], manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return override rules (Karmada's RuleWithCluster) in which values for Secrets are Pulumi secrets.

    A rule doesn't say to which of the workload's objects it applies: if any object is a Secret, all patches of `data`
    and `stringData` are made secret.
    """
    if not any(manifest["kind"] == "Secret" for manifest in manifests):
        return rules
    return [_sealed(rule) for rule in rules]


def refuse_placeholders(workload: str, manifests: list[dict[str, Any]]) -> None:
    """Refuse to create a Secret with placeholders in place of unknown values: placeholders are only for plans.

    Raises:
        FlotillaError: a Secret has placeholders, and this run makes changes.
    """
    veiled = [str(ref_of(manifest)) for manifest in manifests if manifest["kind"] == "Secret" and is_veiled(manifest)]
    if veiled and not pulumi.runtime.is_dry_run():
        raise FlotillaError(
            f"workload {workload}: {', '.join(veiled)} has {HIDDEN} in place of its values: nothing was declared",
            hint="set each value with `pulumi config set --secret --path`",
        )


def _sealed(rule: dict[str, Any]) -> dict[str, Any]:
    overriders = dict(rule.get("overriders") or {})
    if overriders.get("plaintext"):
        overriders["plaintext"] = [_sealed_step(step, step["path"]) for step in overriders["plaintext"]]
    if overriders.get("fieldOverrider"):
        overriders["fieldOverrider"] = [_sealed_field(field) for field in overriders["fieldOverrider"]]
    return {**rule, "overriders": overriders}


def _sealed_field(field: dict[str, Any]) -> dict[str, Any]:
    """Return changes within a text; the values that they set are as secret as the text."""
    steps = {key: field[key] for key in ("json", "yaml") if field.get(key)}
    return {
        **field,
        **{key: [_sealed_step(step, field["fieldPath"]) for step in listed] for key, listed in steps.items()},
    }


def _sealed_step(step: dict[str, Any], path: str) -> dict[str, Any]:
    if step.get("value") is None or not carries_secret(path):
        return step
    return {**step, "value": pulumi.Output.secret(step["value"])}
