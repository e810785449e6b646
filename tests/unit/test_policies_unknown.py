"""No policy rule ends with an error, whichever part of a plan is unknown or hidden."""

import copy

import pytest

from flotilla.deploy.policies import stack_view
from flotilla.plan.steps import Op, Result, Step
from flotilla.policy.evaluate import Status, evaluate
from flotilla.policy.model import UNKNOWN, StackView
from flotilla.state.checkpoint import ResourceState
from flotilla.state.values import UNKNOWN as ENGINE_UNKNOWN
from flotilla.state.values import Secret
from tests.unit.test_policies import (
    PRODUCTION,
    RULES,
    TODAY,
    cluster,
    deployment,
    mirror,
    overrides,
    placement,
    resource,
    tag,
)


def plan():
    patch = {"overriders": {"plaintext": [{"path": "/spec/replicas", "operator": "replace", "value": 3}]}}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"},
        "data": {"a": "b"},
    }
    return [
        cluster("member1"),
        cluster("member2"),
        deployment(),
        resource("kubernetes:core/v1:Secret", "s", secret),
        placement("member1", "member2"),
        overrides(tag("1.28", "member2"), mirror(), patch),
    ]


def paths(value, path=()):
    """Yield the path of every part of a value, except the value itself."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from paths(item, (*path, key))


WHERE = [(number, path) for number, one in enumerate(plan()) for path in paths(one.props)]


@pytest.mark.parametrize(("number", "path"), WHERE, ids=str)
def test_unknown_part_is_no_error(number, path):
    """Regression: a preview by Pulumi's CLI with a policy pack ended with AttributeError for a secret override."""
    resources = plan()
    props = copy.deepcopy(resources[number].props)
    inner = props
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = UNKNOWN
    object.__setattr__(resources[number], "props", props)
    verdicts = evaluate(RULES.values(), StackView(tuple(resources), PRODUCTION), today=TODAY)
    assert {verdict.status for verdict in verdicts} <= set(Status)
    assert verdicts


@pytest.mark.parametrize("hidden", ["[secret]", Secret("[secret]"), Secret(None), ENGINE_UNKNOWN])
def test_part_that_an_engine_hides_is_unknown(hidden):
    kind = "kubernetes:policy.karmada.io/v1alpha1:OverridePolicy"
    inputs = {"apiVersion": "policy.karmada.io/v1alpha1", "spec": {"overrideRules": hidden}}
    state = ResourceState(f"urn:pulumi:s::p::{kind}::nginx-override", custom=True, type=kind, inputs=inputs)
    view = stack_view(Result(steps=[Step(Op.CREATE, state.urn, kind, new=state)]), PRODUCTION)
    assert {verdict.status for verdict in evaluate(RULES.values(), view, today=TODAY)} == {Status.UNDECIDED}
