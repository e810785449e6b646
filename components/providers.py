"""One provider per cluster, always with the same configuration."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from flotilla.karmada.names import provider_name

from .cluster_identity import ClusterIdentity


def cluster_provider(
    name: str, kubeconfig: pulumi.Input[str], identity: ClusterIdentity, parent: pulumi.Resource
) -> k8s.Provider:
    """Return the provider for objects in the cluster named `name`.

    - Because of the cluster identifier, a renewed kubeconfig doesn't replace everything (pulumi-kubernetes#4019). It is
      the cluster's UID, so another cluster under the same name or address does replace everything.
    - The stack's declaration wins over other changes: an `up` corrects drift instead of stopping at a conflict
      (docs/decisions/declared-wins.md). Fields that others should own are left out, or ignored.
    - Secrets and ConfigMaps change in place: a renewed token must not delete its Cluster's credentials meanwhile.
    """
    return k8s.Provider(
        provider_name(name),
        kubeconfig=kubeconfig,
        cluster_identifier=identity.uid,
        enable_patch_force=True,
        enable_secret_mutable=True,
        enable_config_map_mutable=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )
