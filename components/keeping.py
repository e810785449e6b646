"""The beginning of a workload's end, if its copies stay: nothing is deleted before Karmada knows that for each copy.

This is a dynamic resource that depends on the workload's policies and templates, and so is deleted first. The policies
say that copies stay, but the Works decide what happens when a template is deleted. Karmada writes these a moment later,
or, with a lazy activation, with the next change.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import Resource

from flotilla.karmada.keeping.works import await_preserved, keep_namespaces
from flotilla.karmada.kinds import goes_by_itself
from flotilla.kube.connection import connect
from flotilla.kube.objects import Object, ObjectRef, ref_of

from .ends import EndProvider
from .whole_numbers import whole_numbers


@whole_numbers
class KeepingProvider(EndProvider):
    """Waits on deletion; creates nothing."""

    counts = ("templates", "namespaces", "kubeconfig")

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Wait until every copy is certain to stay."""
        connection, seconds = connect(props["kubeconfig"], name="Karmada"), float(props["timeout"])
        await_preserved(connection, [ObjectRef(*parts) for parts in props["templates"]], seconds)
        keep_namespaces(connection, [str(name) for name in props["namespaces"]], seconds)


class Keeping(Resource, module="flotilla", name="Keeping"):
    """A wait, on deletion, until every copy of a workload is certain to stay in its member."""

    def __init__(
        self,
        workload: str,
        templates: list[Object],
        opts: pulumi.ResourceOptions,
        *,
        kubeconfig: pulumi.Input[str],
        timeout: int,
    ) -> None:
        """Declare the wait.

        Args:
            workload: the workload's name.
            templates: its templates; only their references are stored.
            opts: resource options: it depends on the workload's policies and templates.
            kubeconfig: Karmada's kubeconfig; a secret.
            timeout: seconds.
        """
        props = {
            "workload": workload,
            "templates": [list(ref_of(one)) for one in templates if not goes_by_itself(one)],
            "namespaces": [one["metadata"]["name"] for one in templates if goes_by_itself(one)],
            "kubeconfig": kubeconfig,
            "timeout": timeout,
        }
        super().__init__(KeepingProvider(), f"{workload}-keeping", props, opts)
