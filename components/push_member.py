"""A cluster that joins in push mode: everything that a join creates, as single objects."""

from __future__ import annotations

import pulumi

from .join import PULL, PUSH, Member, MemberArgs, declare_join, mode_alias
from .kubernetes_object import KubernetesObject

PushMemberArgs = MemberArgs


class PushMember(Member):
    """A member that Karmada's controllers dial to apply objects.

    A destroy deletes the Cluster first, and waits until it is gone. The credentials and rights still exist then: the
    controllers need them to remove the workloads.
    """

    cluster: KubernetesObject
    """The Cluster in the control plane."""

    def __init__(self, name: str, args: PushMemberArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the join of the cluster named `name`."""
        super().__init__(PUSH, name, None, mode_alias(opts, PULL))
        joined = declare_join(self, name, args, mode="Push")
        self.cluster = joined.cluster
        self.joined = joined.cluster
        self.name = self.cluster.metadata.apply(lambda metadata: str(metadata["name"]))
        self.register_outputs({"name": self.name, "clusterId": self.cluster_id})
