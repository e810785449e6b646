"""Which override policies apply to a template in a cluster, and in which order (pkg/util/overridemanager)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flotilla.karmada.rendering.errors import OverrideError
from flotilla.karmada.rendering.overriders import apply_overriders
from flotilla.karmada.rendering.relabelling import possible_exactness, relabelled_by
from flotilla.karmada.scheduling import ClusterFacts, matches
from flotilla.karmada.selection import Exactness, exactness
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import ref_of

Object = dict[str, Any]


POLICY_KINDS = ("ClusterOverridePolicy", "OverridePolicy")
"""The kinds of override policies, in the order in which Karmada applies them."""
ONLY_FOR = "onlyFor"
"""A key that Flotilla adds to a RuleWithCluster: the templates to which the rule applies, each as the parts of an
`ObjectRef`."""
ONLY_AS = "onlyAs"
"""A key that Flotilla adds to a rule of an OverridePolicy, if cluster-wide policies may change what the policy selects.

It contains the `policy` (kind, metadata and selectors). It also says how exactly (`exactness`) the policy has to select
the template after the cluster-wide policies were applied. All rules before the first such rule are cluster-wide."""


class Applied(NamedTuple):
    """One applied rule of a policy."""

    kind: str
    """One of `POLICY_KINDS`."""
    policy: str
    overriders: Object


def in_order(policies: Iterable[Object], template: Object) -> list[Object]:
    """Return the policies of one kind that select a template; the last one takes precedence."""
    ranked = [(exactness(policy, template), policy["metadata"]["name"], policy) for policy in policies]
    return [policy for rank, _, policy in sorted(ranked, key=lambda one: one[:2]) if rank]


def rules_of(policy: Object) -> list[Object]:
    """Return a policy's rules (RuleWithCluster). The form before 1.1, without overrideRules, is one rule."""
    spec = policy.get("spec") or {}
    rules = spec.get("overrideRules")
    if rules:
        return list(rules)
    return [{key: spec[key] for key in ("targetCluster", "overriders") if key in spec}]


def rules_of_all(policies: Sequence[Object], templates: Iterable[Object]) -> list[Object]:
    """Return the rules of override policies in the order in which Karmada applies them to templates.

    A rule that applies to some of the templates only lists these under `ONLY_FOR`. The cluster-wide policies may change
    a template so that a rule applies to it in some clusters only: such a rule has its condition under `ONLY_AS`.

    Args:
        policies: override policies of both kinds.
        templates: the declared templates.
    """
    listed = list(templates)
    groups: list[tuple[list[Object], list[Object]]] = []
    for template in listed:
        rules = _rules_of_template(policies, template)
        same = next((selected for known, selected in groups if known == rules), None)
        if same is None:
            groups.append((rules, [template]))
        else:
            same.append(template)
    if len(groups) == 1:
        return groups[0][0]
    return [
        {**rule, ONLY_FOR: [list(ref_of(template)) for template in selected]}
        for rules, selected in groups
        for rule in rules
    ]


def _rules_of_template(policies: Sequence[Object], template: Object) -> list[Object]:
    wide, narrow = ([policy for policy in policies if policy["kind"] == kind] for kind in POLICY_KINDS)
    first = [rule for policy in in_order(wide, template) for rule in rules_of(policy)]
    changed = relabelled_by(first)
    possible = [(policy, possible_exactness(policy, template, changed)) for policy in narrow]
    if all(len(ranks) == 1 for _, ranks in possible):
        return first + [rule for policy in in_order(narrow, template) for rule in rules_of(policy)]
    ranked = [(rank, policy["metadata"]["name"], policy) for policy, ranks in possible for rank in ranks if rank]
    ranked.sort(key=lambda one: one[:2])
    return first + [
        {**rule, ONLY_AS: {"policy": _selecting(policy), "exactness": int(rank)}}
        for rank, _, policy in ranked
        for rule in rules_of(policy)
    ]


def may_reach(policy: Object, policies: Sequence[Object], template: Object) -> bool:
    """Return whether an override policy applies to a template in any cluster.

    Args:
        policy: an override policy of either kind, one of `policies`.
        policies: all override policies; the cluster-wide ones may change what the others select.
        template: the declared template.
    """
    if policy["kind"] == POLICY_KINDS[0]:
        return bool(exactness(policy, template))
    wide = [one for one in policies if one["kind"] == POLICY_KINDS[0] and exactness(one, template)]
    changed = relabelled_by(rule for one in wide for rule in rules_of(one))
    return any(possible_exactness(policy, template, changed))


def _selecting(policy: Object) -> Object:
    """Return the parts of a policy on which `exactness` depends, without fields that an API server adds."""
    selectors = (policy.get("spec") or {}).get("resourceSelectors") or []
    metadata = {key: value for key, value in policy["metadata"].items() if key in ("name", "namespace")}
    return {"kind": policy["kind"], "metadata": metadata, "spec": {"resourceSelectors": selectors}}


def in_stages(rules: Iterable[Object], template: Object) -> tuple[list[Object], list[Object]]:
    """Return the rules that apply to a template in any case, and those whose condition is checked after these.

    Args:
        rules: the rules for one cluster, in their order.
        template: the declared template.
    """
    applicable = [rule for rule in rules if is_for(rule, template)]
    begin = next((number for number, rule in enumerate(applicable) if ONLY_AS in rule), len(applicable))
    return applicable[:begin], applicable[begin:]


def meets_condition(rule: Object, obj: Object) -> bool:
    """Return whether a rule with `ONLY_AS` applies to an object, after all rules without it were applied."""
    condition = rule[ONLY_AS]
    return exactness(condition["policy"], obj) == Exactness(condition["exactness"])


def is_for(rule: Object, template: Object) -> bool:
    """Return whether a rule applies to a template: one with `ONLY_FOR` only applies to the templates listed there."""
    return ONLY_FOR not in rule or list(ref_of(template)) in [list(ref) for ref in rule[ONLY_FOR]]


def rules_of_template(rules: Iterable[Object], template: Object) -> list[Object]:
    """Return the rules that apply to a template, without their `ONLY_FOR`."""
    return [{key: value for key, value in rule.items() if key != ONLY_FOR} for rule in rules if is_for(rule, template)]


def targets(rule: Object, cluster: ClusterFacts, version: Version = SUPPORTED.newest) -> bool:
    """Return whether a rule applies to a cluster; a rule without targetCluster applies to every cluster."""
    return matches(cluster, rule.get("targetCluster") or {}, version)


class Rules(list[Object]):
    """Override rules (RuleWithCluster) in their order, indexed by the clusters that they name.

    If each of many clusters has its own rule, a check of every rule against every cluster takes quadratic time.
    """

    def __init__(self, rules: Iterable[Object]) -> None:
        """Index the rules."""
        super().__init__(rules)
        self._named: dict[str, list[int]] = {}
        self._others: list[int] = []
        for number, rule in enumerate(self):
            names = (rule.get("targetCluster") or {}).get("clusterNames") or []
            for name in names:
                self._named.setdefault(name, []).append(number)
            if not names:
                self._others.append(number)

    def of(self, cluster: ClusterFacts, version: Version) -> list[Object]:
        """Return the rules that apply to a cluster."""
        numbers = sorted({*self._named.get(cluster.name, ()), *self._others})
        return [self[number] for number in numbers if targets(self[number], cluster, version)]


def rules_for(rules: Iterable[Object], cluster: ClusterFacts, version: Version) -> list[Object]:
    """Return the rules that apply to a cluster, in their order."""
    return (rules if isinstance(rules, Rules) else Rules(rules)).of(cluster, version)


def apply_rules(
    obj: Object, cluster: ClusterFacts, rules: Iterable[Object], version: Version = SUPPORTED.newest
) -> Object:
    """Return an object with all rules that apply to a cluster, in their order.

    Raises:
        OverrideError: Karmada fails on a rule.
    """
    first, then = in_stages(rules_for(rules, cluster, version), obj)
    for rule in first:
        obj = apply_overriders(obj, rule.get("overriders") or {}, version)
    for rule in [one for one in then if meets_condition(one, obj)]:
        obj = apply_overriders(obj, rule.get("overriders") or {}, version)
    return obj


def apply_policies(
    obj: Object, cluster: ClusterFacts, policies: list[Object], version: Version = SUPPORTED.newest
) -> tuple[Object, list[Applied]]:
    """Return an object with all policies that select it: cluster-wide policies first, then those of its namespace.

    Karmada checks what those of the namespace select after it has applied the cluster-wide ones.

    Raises:
        OverrideError: Karmada fails on a policy; the message begins with the policy's name.
    """
    applied: list[Applied] = []
    for kind in POLICY_KINDS:
        for policy in in_order([one for one in policies if one["kind"] == kind], obj):
            for rule in rules_of(policy):
                if not targets(rule, cluster, version):
                    continue
                overriders = rule.get("overriders") or {}
                try:
                    obj = apply_overriders(obj, overriders, version)
                except OverrideError as error:
                    raise OverrideError(f"{kind} {policy['metadata']['name']}: {error.what}", error.why) from None
                applied.append(Applied(kind, policy["metadata"]["name"], overriders))
    return obj, applied
