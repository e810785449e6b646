"""Pulumi components: what they declare is what a preview shows."""

from components.karmada_control_plane import KarmadaControlPlane, KarmadaControlPlaneArgs
from components.propagated_workload import PropagatedWorkload, PropagatedWorkloadArgs
from components.push_member import PushMember, PushMemberArgs

__all__ = [
    "KarmadaControlPlane",
    "KarmadaControlPlaneArgs",
    "PropagatedWorkload",
    "PropagatedWorkloadArgs",
    "PushMember",
    "PushMemberArgs",
]
