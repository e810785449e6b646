"""Pulumi components: what they declare is what a preview shows."""

from components.control_plane_objects import ControlPlaneObjects, ControlPlaneObjectsArgs
from components.control_plane_pki import ControlPlanePki, ControlPlanePkiArgs
from components.karmada_control_plane import KarmadaControlPlane, KarmadaControlPlaneArgs, ReleaseArgs
from components.kind_cluster import KindCluster, KindClusterArgs
from components.propagated_workload import PropagatedWorkload, PropagatedWorkloadArgs
from components.pull_member import PullMember, PullMemberArgs
from components.push_member import PushMember, PushMemberArgs
from flotilla.pickler import keep_pickler

__all__ = [
    "ControlPlaneObjects",
    "ControlPlaneObjectsArgs",
    "ControlPlanePki",
    "ControlPlanePkiArgs",
    "KarmadaControlPlane",
    "KarmadaControlPlaneArgs",
    "KindCluster",
    "KindClusterArgs",
    "PropagatedWorkload",
    "PropagatedWorkloadArgs",
    "PullMember",
    "PullMemberArgs",
    "PushMember",
    "PushMemberArgs",
    "ReleaseArgs",
]

keep_pickler()  # with Pulumi's CLI, the program is all that runs in its process
