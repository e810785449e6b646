"""The policy pack for Pulumi's CLI: `pulumi preview --policy-pack policies`. It has the same rules and verdicts."""

import sys
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from flotilla.karmada.names import cluster_of  # noqa: E402
from flotilla.kube.objects import whole  # noqa: E402
from flotilla.policy.evaluate import Status, check_settings, evaluate  # noqa: E402
from flotilla.policy.guards import GUARDS  # noqa: E402
from flotilla.policy.model import UNKNOWN, Resource, Rule, StackView  # noqa: E402
from flotilla.policy.pack import load_rules  # noqa: E402
from flotilla.stack.clear_secrets import encrypted_secrets  # noqa: E402
from flotilla.stack.load import karmada_of, other_members, policy_settings  # noqa: E402 - the project's folder has to be on the path first

RULES = load_rules(HERE.parent)
DECLARED: dict[str, dict[str, Any]] = {}
"""The declared properties of each resource, by URN.

The stack validation gets outputs. In a preview there are none of resources in a cluster that doesn't exist yet, and
rules would see resources without properties."""


def _plain(value: Any) -> Any:
    """Return a value of the plan as plain data: with whole numbers, and a mark for unknown values."""
    target = getattr(value, "__getitem__", None)
    if hasattr(value, "keys"):
        return {key: _item(value, key) for key in value}
    if target is not None and not isinstance(value, str):
        return [_item(value, index) for index in range(len(value))]
    return whole(value)


def _item(container: Any, key: Any) -> Any:
    try:
        return _plain(container[key])
    except Exception as error:
        if type(error).__name__ == "UnknownValueError":
            return UNKNOWN
        raise


def _record(args: ResourceValidationArgs, _report_violation: Any) -> None:
    DECLARED[args.urn] = _plain(args.props)


def _view(args: StackValidationArgs) -> StackView:
    resources = []
    stack = ""
    for resource in args.resources:
        stack = stack or resource.urn.split("::")[0].rpartition(":")[2]
        provider = resource.provider.name if resource.provider else ""
        resources.append(
            Resource(
                resource.urn,
                resource.resource_type,
                resource.name,
                DECLARED.get(resource.urn) or _plain(resource.props),
                bool(resource.opts.protect),
                resource.parent.urn if resource.parent else "",
                cluster_of(provider),
            )
        )
    file = HERE.parent / "stacks" / f"Pulumi.{stack}.yaml"
    settings = policy_settings(file)
    check_settings([*RULES, *GUARDS], settings, origin=f"stacks/Pulumi.{stack}.yaml")
    others, version = other_members(file, HERE.parent), karmada_of(file, HERE.parent)
    return StackView(tuple(resources), settings, others, version, encrypted_secrets(file, HERE.parent))


def _policy(rule: Rule, level: EnforcementLevel) -> StackValidationPolicy:
    """Return a policy for a rule that reports verdicts of one level; the stack file sets the level of each rule."""
    mandatory = level is EnforcementLevel.MANDATORY

    def validate(args: StackValidationArgs, report_violation: Any) -> None:
        for verdict in evaluate([rule], _view(args)):
            if verdict.status is Status.FAIL and verdict.refuses is mandatory:
                report_violation(f"{verdict.resource}: {verdict.message}; {rule.remedy}")

    name = rule.name if mandatory else f"{rule.name}-advice"
    return StackValidationPolicy(name, rule.reason, validate, level)


PolicyPack(
    "flotilla",
    policies=[
        ResourceValidationPolicy("declared", "Records what is declared, for the other policies", _record),
        *(_policy(rule, level) for rule in RULES for level in (EnforcementLevel.MANDATORY, EnforcementLevel.ADVISORY)),
    ],
)
