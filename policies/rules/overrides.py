"""A rule about overrides: they have to change something."""

from collections.abc import Iterator
from typing import Any

from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.propagation import CHANGES_NOTHING
from flotilla.karmada.rendering.policies import may_reach
from flotilla.karmada.rendering.render import render
from flotilla.karmada.scheduling import ClusterFacts, matches
from flotilla.karmada.selection import OVERRIDES
from flotilla.karmada.versions import Version
from flotilla.policy.model import UNKNOWN, Resource, Rule, StackView, Undecidable

from .placement import possible, propagation_policies, selected


def _subjects(view: StackView) -> list[Resource]:
    policies = view.policies(*OVERRIDES)
    return [
        policy for policy in policies if policy.at("spec", "overrideRules", default=[]) not in ([], [CHANGES_NOTHING])
    ]


def _judge(policy: Resource, view: StackView) -> Iterator[str]:
    placed = [*_placed(view)]
    overrides = [_object(one) for one in view.policies(*OVERRIDES)]
    for number, rule in enumerate(_known(policy.at("spec", "overrideRules"))):
        declaring = [_object(one) for one in _declaring(policy, rule, view)]
        targets = [
            (_known(template.props), cluster)
            for template, clusters in placed
            if any(may_reach(one, overrides, _identified(template)) for one in declaring)
            for cluster in clusters
            if matches(cluster, rule.get("targetCluster") or {}, view.version)
        ]
        if not targets:
            yield f"rule {number + 1} targets no cluster that gets the workload"
        elif not any(_differs(template, cluster, rule, view.version) for template, cluster in targets):
            yield f"rule {number + 1} changes nothing: the workload has these values already"


def _placed(view: StackView) -> Iterator[tuple[Resource, list[ClusterFacts]]]:
    """Yield templates with the clusters that may get them: by a policy, or as dependencies of other templates."""
    sent = [(policy, selected(policy, view)) for policy in propagation_policies(view)]
    known = {template.urn for _, templates in sent for template in templates}
    others = [template for template in view.templates() if template.urn not in known]
    for policy, templates in sent:
        yield from ((template, possible(policy, view)) for template in templates)
        if others and policy.at("spec", "propagateDeps"):
            users = [_known(template.props) for template in templates]
            for other in others:
                if any(refers_to(user, _identified(other), view.version) for user in users):
                    yield other, possible(policy, view)


def _declaring(policy: Resource, rule: dict[str, Any], view: StackView) -> list[Resource]:
    """Return the policies that declare the same override of a workload, for example one per namespace of its objects.

    A policy for a single object also contains the rules of the whole workload.
    """
    return [
        policy,
        *(
            other
            for other in view.policies(*OVERRIDES)
            if other is not policy
            and policy.parent
            and other.parent == policy.parent
            and rule in other.at("spec", "overrideRules", default=[])
        ),
    ]


def _object(policy: Resource) -> dict[str, Any]:
    return {"kind": policy.kind, **{key: policy.at(key, default={}) for key in ("metadata", "spec")}}


def _identified(template: Resource) -> dict[str, Any]:
    return {key: template.at(key) for key in ("apiVersion", "kind", "metadata")}


def _differs(template: dict[str, Any], cluster: ClusterFacts, rule: dict[str, Any], version: Version) -> bool:
    try:
        return render(template, cluster, replicas=None, rules=[rule], version=version) != template
    except ValueError:
        return True  # a patch that doesn't fit: `validate` reports it, and Karmada would


def _known(value: Any) -> Any:
    """Return a value if all of it is known; raise Undecidable otherwise."""
    if value is UNKNOWN:
        raise Undecidable("a part of a template or a rule")
    if isinstance(value, dict):
        return {key: _known(entry) for key, entry in value.items()}
    return [_known(entry) for entry in value] if isinstance(value, list) else value


OVERRIDES_CHANGE_SOMETHING = Rule(
    "overrides-change-something",
    "An override without effect looks like a difference between clusters that doesn't exist",
    "remove it, or correct its clusters or values",
    _subjects,
    _judge,
)
