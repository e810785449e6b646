"""The end of an `up`: waits until every chosen cluster runs what was declared, and says why where one doesn't.

A dynamic resource, for nothing that Karmada itself offers can be waited on: a template gets no Available condition in
the control plane, and its ResourceBinding is made by Karmada, not by us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider, UpdateResult

from flotilla.errors import FlotillaError
from flotilla.karmada.handover import hand_over
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.rollout import Progress, RolloutCheck
from flotilla.kube.connection import connect
from flotilla.kube.objects import ref_of
from flotilla.waiting import pause

_POLL_SECONDS = 0.5
# Karmada needs a moment to carry a change from the template to the members' statuses, which may say "healthy" about
# the version before. Two looks in a row that agree are past that.
_LOOKS = 2
_SETTLED = "settled"


class RolloutProvider(ResourceProvider):
    """Waits on create and update; nothing is left to delete."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait for the first rollout."""
        wait(props)
        return CreateResult(id_=str(props["workload"]), outs={**props, _SETTLED: True})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """A new rollout follows a change of what is declared, or a refresh that found it undone.

        A renewed kubeconfig or another timeout changes nothing in the fleet.
        """
        ignored = {"kubeconfig", "timeout", "members", "__provider"}
        changed = any(olds.get(key) != value for key, value in news.items() if key not in ignored)
        changed = changed or _who(olds.get("members")) != _who(news.get("members"))
        return DiffResult(changes=changed or not olds.get(_SETTLED, True))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait for the rollout of a change."""
        wait(news)
        return UpdateResult(outs={**news, _SETTLED: True})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the fleet still runs what was declared: a refresh sees what hands have changed anywhere."""
        return ReadResult(id_, {**props, _SETTLED: all(progress.done for progress in _check(props)())})


def _who(members: Any) -> Any:
    """Return which clusters are expected; whether one answers now is no change of what was declared."""
    return {name: one["id"] for name, one in members.items()} if isinstance(members, dict) else members


def wait(props: dict[str, Any]) -> None:
    """Poll until the rollout is done.

    Raises:
        FlotillaError: it wasn't in time; says for each cluster what is missing.
    """
    look = _check(props)
    deadline = time.monotonic() + float(props["timeout"])
    agreeing = 0
    _hand_over(props)
    while True:
        progress = look()
        agreeing = agreeing + 1 if all(p.done for p in progress) else 0
        if agreeing >= _LOOKS:
            return
        if time.monotonic() > deadline:
            late = "; ".join(str(p) for p in progress if not p.done)
            raise FlotillaError(
                f"workload {props['workload']} is not healthy everywhere after {int(props['timeout'])} s: {late}",
                hint="mend the cause and run `up` again: it goes on from here",
            )
        if pause(_POLL_SECONDS):
            raise FlotillaError(f"interrupted while waiting for the rollout of workload {props['workload']}")
        if not agreeing:
            _hand_over(props)


def _hand_over(props: dict[str, Any]) -> None:
    name = str(props.get("policy") or props["workload"])
    refs = [ref_of(template) for template in props["templates"] if not goes_by_itself(template)]
    hand_over(connect(props["kubeconfig"], name="Karmada"), refs, (name, f"{name}-definitions"))


def _check(props: dict[str, Any]) -> Callable[[], list[Progress]]:
    connection = connect(props["kubeconfig"], name="Karmada")
    check = RolloutCheck(templates=props["templates"], placement=props["placement"], rules=props["overrideRules"])
    return lambda: check.look(connection)


class Rollout(Resource, module="flotilla", name="Rollout"):
    """A workload's rollout; depends on its templates and policies."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the wait.

        Args:
            name: the resource's name.
            props: kubeconfig, workload, templates, placement, overrideRules, timeout (seconds), and policy where its
                policies have another name than the workload.
            opts: resource options.
        """
        super().__init__(RolloutProvider(), name, props, opts)
