"""The end of a workload: waits until its copies are gone, before any of its clusters leaves.

A dynamic resource, for a template itself is gone at once: waiting for it, as a foreground deletion does, would wait for
ever where one of its clusters is dead. Templates depend on it, so that it is deleted after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from components.whole_numbers import whole_numbers
from flotilla.karmada.status.withdrawal import await_withdrawn
from flotilla.kube.connection import connect
from flotilla.kube.objects import Object, ObjectRef, ref_of


@whole_numbers
class WithdrawalProvider(ResourceProvider):
    """Waits on deletion; makes nothing."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep which templates there are."""
        return CreateResult(id_=str(props["workload"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change of the templates, the credentials or the order; another timeout changes nothing."""
        keys = ("templates", "kubeconfig", "before")
        return DiffResult(changes=any(olds.get(key) != news.get(key) for key in keys))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Keep which templates there are now."""
        return UpdateResult(outs=news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Wait until the copies are gone."""
        templates = [ObjectRef(*parts) for parts in props["templates"]]
        connection = connect(props["kubeconfig"], name="Karmada")
        await_withdrawn(connection, templates, float(props["timeout"]), every_work=bool(props.get("before")))


class Withdrawal(Resource, module="flotilla", name="Withdrawal"):
    """A wait, on deletion, until a workload's copies are gone."""

    def __init__(
        self,
        workload: str,
        templates: list[Object],
        opts: pulumi.ResourceOptions,
        *,
        kubeconfig: pulumi.Input[str],
        timeout: int,
        before: Sequence[str] = (),
    ) -> None:
        """Declare the wait.

        Args:
            workload: the workload's name.
            templates: its templates; only their references are kept.
            opts: resource options.
            kubeconfig: Karmada's; a secret.
            timeout: seconds.
            before: the workloads that go only when this one's copies are gone.
        """
        props = {
            "workload": workload,
            "templates": [list(ref_of(template)) for template in templates],
            "kubeconfig": kubeconfig,
            "timeout": timeout,
            **({"before": sorted(set(before))} if before else {}),
        }
        super().__init__(WithdrawalProvider(), f"{workload}-withdrawal", props, opts)
