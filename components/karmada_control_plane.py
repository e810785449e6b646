"""Karmada itself: what members join and workloads are declared in."""

from __future__ import annotations

from typing import TypedDict

import pulumi
import pulumi_kubernetes as k8s


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

    def __init__(
        self, name: str, args: KarmadaControlPlaneArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Declare an existing control plane."""
        super().__init__("flotilla:index:KarmadaControlPlane", name, None, opts)
        self.kubeconfig = pulumi.Output.secret(args["kubeconfig"])
        # The identifier keeps a renewed kubeconfig from replacing everything (pulumi-kubernetes#4019).
        self.provider = k8s.Provider(
            f"{name}-provider",
            kubeconfig=self.kubeconfig,
            cluster_identifier=name,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"kubeconfig": self.kubeconfig})
