"""What a cluster gets of a template as it is declared, so that a plan can show it before anything is applied.

A declared template lacks what the API server fills in. An override that fails on it is tried once more on the template
with those defaults; what comes out holds the declared fields and what the override has set.
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
"""Maps that every template in the control plane has: Karmada notes in both which policy has claimed it."""


def render(
    template: Object,
    cluster: ClusterFacts,
    *,
    replicas: int | None,
    rules: Sequence[Object],
    completions: int | None = None,
    version: Version = SUPPORTED.newest,
) -> Object:
    """Return what a cluster gets: the template with its replicas and the override rules that are for it.

    Args:
        template: as declared.
        cluster: the cluster's facts.
        replicas: its share; None for kinds without replicas.
        rules: RuleWithCluster objects in the order in which they are applied.
        completions: its share of a divided Job's completions; None where they aren't divided.
        version: Karmada's version.

    Raises:
        OverrideError: an override that Karmada fails on: it sends nothing then.
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
    """Apply the rules that are for a cluster; what is given may be changed."""
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
