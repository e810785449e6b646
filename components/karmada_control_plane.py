"""Karmada itself: what members join and workloads are declared in."""

from __future__ import annotations

from typing import TypedDict

import pulumi
import pulumi_kubernetes as k8s

from components.providers import cluster_provider


class KarmadaControlPlaneArgs(TypedDict):
    """An existing control plane."""

    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig, as text with certificates inline; treated as a secret."""


class KarmadaControlPlane(pulumi.ComponentResource):
    """A Karmada control plane, and the provider through which everything in it is declared."""

    kubeconfig: pulumi.Output[str]
    """Kubeconfig of Karmada's API server; a secret."""

    provider: k8s.Provider
    """Provider for objects in the control plane."""

    def __init__(self, name: str, args: KarmadaControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare an existing control plane."""
        super().__init__("flotilla:index:KarmadaControlPlane", name, None, opts)
        self.kubeconfig = pulumi.Output.secret(args["kubeconfig"])
        self.provider = cluster_provider(name, self.kubeconfig, self)
        self.register_outputs({"kubeconfig": self.kubeconfig})
