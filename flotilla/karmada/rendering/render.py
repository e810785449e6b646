"""What a cluster gets of a declared template, so that a plan can show it before anything is applied.

A declared template lacks the defaults of the API server. If an override fails on it, it is applied again to the
template with these defaults. The result then contains the declared fields and what the override has set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flotilla.karmada.rendering.defaults import narrowed, with_defaults
from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.policies import apply_rules
from flotilla.karmada.rendering.replicas import revised
from flotilla.karmada.rendering.traveling import pruned
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED, Version

Object = dict[str, Any]
_MARKED = ("labels", "annotations")
"""Maps that every template in the control plane has: in both, Karmada records which policy has claimed it."""


def render(
    template: Object,
    cluster: ClusterFacts,
    *,
    replicas: int | None,
    rules: Sequence[Object],
    completions: int | None = None,
    version: Version = SUPPORTED.newest,
) -> Object:
    """Return what a cluster gets: the template with its replicas and with the override rules that apply.

    Args:
        template: the declared template.
        cluster: the facts of the cluster.
        replicas: its share of the replicas; None for kinds without replicas.
        rules: RuleWithCluster objects in the order in which they are applied.
        completions: its share of a divided Job's completions; None where they aren't divided.
        version: Karmada's version.

    Raises:
        OverrideError: Karmada fails on an override, and sends nothing.
    """
    given = revised(template, replicas, version)
    if completions is not None:
        given["spec"]["completions"] = completions
    try:
        return pruned(_overridden(given, cluster, rules, version), version)
    except OverrideError as error:
        which = f"{template['kind']} {template['metadata']['name']}"
        raise OverrideError(f"{which}: {error.what}", error.why) from None


def _overridden(given: Object, cluster: ClusterFacts, rules: Sequence[Object], version: Version) -> Object:
    """Apply the rules for a cluster; the given template may be changed."""
    for field in _MARKED:
        given["metadata"][field] = given["metadata"].get(field) or {}
    try:
        result = apply_rules(given, cluster, rules, version)
    except OverrideError:
        full = with_defaults(given)
        result = narrowed(apply_rules(full, cluster, rules, version), full, given)
    for field in _MARKED:
        if not result["metadata"].get(field):
            result["metadata"].pop(field, None)
    return result
