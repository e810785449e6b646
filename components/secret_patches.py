"""Override patches of a workload with a Secret: what they set in it is as secret as what the Secret holds."""

from __future__ import annotations

from typing import Any

import pulumi

from flotilla.kube.secrecy import carries_secret


def sealed_patches(rules: list[dict[str, Any]], manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return override rules (Karmada's RuleWithCluster) in which values of Secrets are Pulumi secrets.

    A rule doesn't say which of the workload's objects it is for: patches of `data` and `stringData` are sealed where
    any object is a Secret.
    """
    if not any(manifest["kind"] == "Secret" for manifest in manifests):
        return rules
    return [_sealed(rule) for rule in rules]


def _sealed(rule: dict[str, Any]) -> dict[str, Any]:
    overriders = rule.get("overriders") or {}
    steps = overriders.get("plaintext")
    if not steps:
        return rule
    return {**rule, "overriders": {**overriders, "plaintext": [_sealed_step(step) for step in steps]}}


def _sealed_step(step: dict[str, Any]) -> dict[str, Any]:
    if step.get("value") is None or not carries_secret(step["path"]):
        return step
    return {**step, "value": pulumi.Output.secret(step["value"])}
