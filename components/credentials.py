"""Credentials of clusters, from all sources that the stack file may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.files import kubeconfig_text

from .kind_cluster import KindCluster


class Credentials:
    """Finds kubeconfigs: in files, in the stack file, of clusters that this stack creates, and in other stacks."""

    def __init__(self, base: Path, clusters: dict[str, KindCluster]) -> None:
        """Store the project's folder and this stack's clusters."""
        self._base = base
        self._clusters = clusters
        self._references: dict[str, pulumi.StackReference] = {}

    def kubeconfig(self, source: Kubeconfig) -> pulumi.Input[str]:
        """Return a kubeconfig: a text if it is known already, a secret output if a stack creates it."""
        if source.cluster is None:
            return kubeconfig_text(source, self._base)
        if source.stack is None:
            return self._clusters[source.cluster].kubeconfig
        cluster = source.cluster
        found: pulumi.Output[str] = self._output(source.stack, "clusters").apply(
            lambda clusters: str((clusters or {})[cluster])
        )
        return pulumi.Output.secret(found)

    def control_plane(self, stack: str) -> pulumi.Output[str]:
        """Return the kubeconfig of another stack's Karmada; a secret."""
        return pulumi.Output.secret(self._output(stack, "kubeconfig").apply(str))

    def _output(self, stack: str, name: str) -> pulumi.Output[Any]:
        if stack not in self._references:
            full = f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}"
            self._references[stack] = pulumi.StackReference(stack, full)
        return self._references[stack].require_output(name)


def server_of(kubeconfig: pulumi.Input[str]) -> pulumi.Input[str]:
    """Return the URL that a kubeconfig dials, which isn't secret."""
    if isinstance(kubeconfig, str):
        return kubeconfigs.server_of(kubeconfig)
    known: pulumi.Output[str] = pulumi.Output.from_input(kubeconfig)
    return pulumi.Output.unsecret(known.apply(kubeconfigs.server_of))
