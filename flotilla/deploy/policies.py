"""Checks the plan of either engine with the project's policies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from flotilla.karmada.names import cluster_of
from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.secrecy import HIDDEN
from flotilla.plan.fleet import FleetPlan, fleet_plan
from flotilla.plan.steps import GOING, Op, Result, Step
from flotilla.policy.evaluate import Verdict, check_settings, evaluate
from flotilla.policy.guards import GUARDS, guard_verdicts
from flotilla.policy.model import UNKNOWN, Resource, StackView
from flotilla.policy.pack import load_rules
from flotilla.stack.clear_secrets import encrypted_secrets
from flotilla.stack.load import karmada_of, karmada_version, other_members, policy_settings
from flotilla.stack.policies import PolicySettings
from flotilla.state.checkpoint import ResourceState
from flotilla.state.urns import provider_of
from flotilla.state.values import UNKNOWN as ENGINE_UNKNOWN
from flotilla.state.values import UNKNOWN_TEXT, Secret


def judge(
    result: Result, project: Path, stack_file: Path, plan: FleetPlan | None = None, *, applying: bool = False
) -> list[Verdict]:
    """Check a plan with every rule of the project's pack, and with every guard.

    Args:
        result: the plan.
        project: the project's folder; if it has no pack, only guards are checked.
        stack_file: the stack file.
        plan: the fleet plan, if it is known already.
        applying: whether the plan is going to be carried out now.

    Raises:
        ConfigError: the stack's settings name rules that don't exist.
        FlotillaError: the pack can't be read.
    """
    rules = load_rules(project)
    settings = policy_settings(stack_file)
    check_settings([*rules, *GUARDS], settings, origin=str(stack_file))
    others, version = other_members(stack_file, project), karmada_of(stack_file, project)
    view = stack_view(result, settings, others, version)
    return [
        *evaluate(rules, replace(view, encrypted=encrypted_secrets(stack_file, project))),
        *guards_on(result, project, stack_file, plan, applying=applying),
    ]


def guards_on(
    result: Result, project: Path, stack_file: Path, plan: FleetPlan | None = None, *, applying: bool
) -> list[Verdict]:
    """Check a plan with every guard; the arguments are those of `judge`. A plan without changes has no verdicts.

    Raises:
        ConfigError: the stack's settings can't be read.
    """
    if not result.changes:
        return []
    known = plan or fleet_plan(result, version=karmada_version(stack_file, project))
    return guard_verdicts(known.blast_radius, policy_settings(stack_file), applying=applying)


def stack_view(
    result: Result,
    settings: PolicySettings,
    others: tuple[ClusterFacts, ...] = (),
    version: Version = SUPPORTED.newest,
) -> StackView:
    """Return the state of a stack after a plan, in the form that rules read."""
    latest: dict[str, Step] = {}
    for step in result.steps:
        if step.op not in GOING and step.op is not Op.REPLACE:
            latest[step.urn] = step
    states = (step.new or step.old for step in latest.values())
    return StackView(tuple(_resource(state) for state in states if state is not None), settings, others, version)


def _resource(state: ResourceState) -> Resource:
    return Resource(
        state.urn,
        state.type,
        state.name,
        _plain(state.inputs),
        state.protect,
        state.parent,
        cluster_of(provider_of(state.provider)),
    )


def _plain(value: Any) -> Any:
    """Return a value without the engine's marks; a secret that the engine hides is unknown.

    Pulumi's CLI shows a text instead of a secret, even if the secret is not a text but, for example, a list of rules.
    """
    if isinstance(value, Secret):
        return UNKNOWN if value.value is None else _plain(value.value)
    if value is ENGINE_UNKNOWN or value in (UNKNOWN_TEXT, HIDDEN):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list) else value
