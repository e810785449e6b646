"""The beginning of the end of a workload whose copies stay: nothing of it goes before Karmada knows that of each copy.

A dynamic resource that depends on the workload's policies and templates, and so goes first. The policies say that
copies stay, but what counts when a template is deleted are its Works, which Karmada writes a moment later, or, with a
lazy activation, with the next change.
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
    """Waits on deletion; makes nothing."""

    counts = ("templates", "namespaces", "kubeconfig")

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Wait until every copy is sure to stay."""
        connection, seconds = connect(props["kubeconfig"], name="Karmada"), float(props["timeout"])
        await_preserved(connection, [ObjectRef(*parts) for parts in props["templates"]], seconds)
        keep_namespaces(connection, [str(name) for name in props["namespaces"]], seconds)


class Keeping(Resource, module="flotilla", name="Keeping"):
    """A wait, on deletion, until every copy of a workload is sure to stay in its member."""

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
            templates: its templates; only their references are kept.
            opts: resource options: it depends on the workload's policies and templates.
            kubeconfig: Karmada's; a secret.
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
