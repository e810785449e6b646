"""Override policies of a workload of which some overrides are for single objects.

A rule of an OverridePolicy is for every object that the policy selects. So an object that an override names has a
policy of its own, with all the rules that are for it in their order: no object is selected by two of them, and nothing
hangs on the order in which Karmada applies policies. All other objects share one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from flotilla.karmada.propagation import override_policy
from flotilla.karmada.rendering.policies import ONLY_FOR, rules_of_template
from flotilla.kube.objects import ref_of

Object = dict[str, Any]
_OF = ".of."
_LONGEST = 120
_DIGEST = 8


def own_ending(template: Object) -> str:
    """Return what ends the name of the policy of a single object: `.of.deployment-web`.

    No namespace has a dot in its name, so that it differs from `further` of every namespace.
    """
    wanted = f"{template['kind'].lower()}-{template['metadata']['name']}"
    text = re.sub(r"[^a-z0-9.-]+", "-", wanted)
    if text == wanted and len(text) <= _LONGEST:
        return f"{_OF}{text}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:_DIGEST]
    return f"{_OF}{text[: _LONGEST - _DIGEST - 1].rstrip('.-')}-{digest}"


def is_of_one(name: str) -> bool:
    """Tell by its name whether an override policy is of a single object."""
    return _OF in name


def override_policies(
    name: str, *, namespace: str | None, templates: Sequence[Object], rules: Sequence[Object]
) -> dict[str, Object]:
    """Return the policies that make templates differ by cluster, by what ends their names: '' for the one of most.

    That one is always there. Where every template has a policy of its own, it selects all of them and changes nothing:
    without a selector it would be for every object of the namespace.

    Args:
        name: what their names begin with.
        namespace: the policies' and the templates'; None for cluster-wide ones.
        templates: what is overridden; at least one.
        rules: RuleWithCluster objects in their order, with `ONLY_FOR` where they are for some of the templates.
    """
    named = {tuple(ref) for rule in rules for ref in rule.get(ONLY_FOR) or ()}
    single = [template for template in templates if tuple(ref_of(template)) in named]
    others = [template for template in templates if tuple(ref_of(template)) not in named]
    shared = [rule for rule in rules if ONLY_FOR not in rule] if others else []
    found = {"": override_policy(name, namespace=namespace, templates=others or list(templates), rules=shared)}
    endings = [own_ending(template) for template in single]
    for template, ending in zip(single, endings, strict=True):
        # Kinds of one name in two groups, for which names of objects may be alike as well.
        group = f".{template['apiVersion'].partition('/')[0]}" if endings.count(ending) > 1 else ""
        found[ending + group] = override_policy(
            f"{name}{ending}{group}",
            namespace=namespace,
            templates=[template],
            rules=rules_of_template(rules, template),
        )
    return found
