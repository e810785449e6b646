"""The end of a workload: waits until its copies are deleted or released, before any of its clusters leaves.

This is a dynamic resource, because a template itself is deleted at once. A wait for the template, as in a foreground
deletion, would never end where one of its clusters is dead. Templates depend on this resource, so it is deleted after
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pulumi
from pulumi.dynamic import Resource

from flotilla.karmada.keeping.bindings import SECONDS, finish_bindings
from flotilla.karmada.keeping.members import free_copies
from flotilla.karmada.keeping.works import Finisher, await_released, return_namespaces
from flotilla.karmada.status.withdrawal import await_withdrawn
from flotilla.kube.connection import Connection, connect
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.waiting import say

from .ends import EndProvider
from .whole_numbers import whole_numbers


@whole_numbers
class WithdrawalProvider(EndProvider):
    """Waits on deletion; creates nothing."""

    counts = ("templates", "kubeconfig", "before", "keeps")

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Wait until the copies are gone, or released where they stay."""
        templates = [ObjectRef(*parts) for parts in props["templates"]]
        connection, seconds = connect(props["kubeconfig"], name="Karmada"), float(props["timeout"])
        if not props.get("keeps"):
            await_withdrawn(connection, templates, seconds, every_work=bool(props.get("before")))
            self._finish(connection, templates, props)
            return
        finisher = Finisher(connection, templates)
        return_namespaces(connection, (ref.name for ref in templates if ref.kind == "Namespace"))
        await_withdrawn(connection, templates, seconds, meanwhile=finisher)
        await_released(connection, finisher, seconds)
        self._finish(connection, templates, props)
        for member, why in sorted(free_copies(connection, templates).items()):
            say(f"{props['workload']}: the copies in {member} run on, and may still have marks of Karmada: {why}")

    @staticmethod
    def _finish(connection: Connection, templates: list[ObjectRef], props: dict[str, Any]) -> None:
        for line in finish_bindings(connection, templates, min(SECONDS, float(props["timeout"]))):
            say(f"{props['workload']}: {line}")


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
        keeps: bool = False,
    ) -> None:
        """Declare the wait.

        Args:
            workload: the workload's name.
            templates: its templates; only their references are stored.
            opts: resource options.
            kubeconfig: Karmada's kubeconfig; a secret.
            timeout: seconds.
            before: the workloads that are deleted only after this one's copies are gone.
            keeps: whether its copies stay in the members.
        """
        props = {
            "workload": workload,
            "templates": [list(ref_of(template)) for template in templates],
            "kubeconfig": kubeconfig,
            "timeout": timeout,
            **({"before": sorted(set(before))} if before else {}),
            **({"keeps": True} if keeps else {}),
        }
        super().__init__(WithdrawalProvider(), f"{workload}-withdrawal", props, opts)
