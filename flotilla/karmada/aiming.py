"""Override policies of a workload that has overrides for single objects.

A rule of an OverridePolicy applies to every object that the policy selects. So each object that an override names gets
a separate policy with all rules for that object, in their order. No object is selected by two policies, and the result
doesn't depend on the order in which Karmada applies policies. All other objects share one policy.
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
    """Return the suffix of the name of the policy of a single object: `.of.deployment-web`.

    The name of a namespace contains no dot, so this suffix differs from the result of `further` for every namespace.
    """
    wanted = f"{template['kind'].lower()}-{template['metadata']['name']}"
    text = re.sub(r"[^a-z0-9.-]+", "-", wanted)
    if text == wanted and len(text) <= _LONGEST:
        return f"{_OF}{text}"
    digest = hashlib.sha256(wanted.encode()).hexdigest()[:_DIGEST]
    return f"{_OF}{text[: _LONGEST - _DIGEST - 1].rstrip('.-')}-{digest}"


def is_of_one(name: str) -> bool:
    """Return whether an override policy is for a single object; its name says so."""
    return _OF in name


def override_policies(
    name: str, *, namespace: str | None, templates: Sequence[Object], rules: Sequence[Object]
) -> dict[str, Object]:
    """Return the policies that make templates differ by cluster, by the suffix of their names: '' for the shared one.

    The shared one always exists. Where every template has a separate policy, the shared one selects all of them and
    changes nothing: without a selector it would apply to every object of the namespace.

    Args:
        name: the beginning of their names.
        namespace: the namespace of the policies and the templates; None for cluster-wide policies.
        templates: the templates to override; at least one.
        rules: RuleWithCluster objects in their order, with `ONLY_FOR` where a rule applies to some of the templates
            only.
    """
    named = {tuple(ref) for rule in rules for ref in rule.get(ONLY_FOR) or ()}
    single = [template for template in templates if tuple(ref_of(template)) in named]
    others = [template for template in templates if tuple(ref_of(template)) not in named]
    shared = [rule for rule in rules if ONLY_FOR not in rule] if others else []
    found = {"": override_policy(name, namespace=namespace, templates=others or list(templates), rules=shared)}
    endings = [own_ending(template) for template in single]
    for template, ending in zip(single, endings, strict=True):
        # Two groups may have a kind of the same name, and objects of both kinds may have the same name as well.
        group = f".{template['apiVersion'].partition('/')[0]}" if endings.count(ending) > 1 else ""
        found[ending + group] = override_policy(
            f"{name}{ending}{group}",
            namespace=namespace,
            templates=[template],
            rules=rules_of_template(rules, template),
        )
    return found
