"""One provider per cluster, configured the same everywhere."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from flotilla.karmada.names import provider_name

from .cluster_identity import ClusterIdentity


def cluster_provider(
    name: str, kubeconfig: pulumi.Input[str], identity: ClusterIdentity, parent: pulumi.Resource
) -> k8s.Provider:
    """Return the provider for objects in the cluster called `name`.

    - The cluster identifier keeps a renewed kubeconfig from replacing everything (pulumi-kubernetes#4019). It is the
      cluster's UID, so that another cluster under the same name or address does replace everything.
    - What the stack declares wins over hands that changed it: an `up` mends drift instead of stopping at a conflict
      (docs/decisions/declared-wins.md). Fields that others are to own are left out, or ignored.
    - Secrets and ConfigMaps change in place: a renewed token must not take its Cluster's credentials away meanwhile.
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
