"""Pulumi components: a preview shows everything that they declare."""

from flotilla.pickler import keep_pickler

from .control_plane_objects import ControlPlaneObjects, ControlPlaneObjectsArgs
from .control_plane_pki import ControlPlanePki, ControlPlanePkiArgs
from .karmada_control_plane import KarmadaControlPlane, KarmadaControlPlaneArgs, ReleaseArgs
from .kind_cluster import KindCluster, KindClusterArgs
from .propagated_workload import PropagatedWorkload, PropagatedWorkloadArgs
from .pull_member import PullMember, PullMemberArgs
from .push_member import PushMember, PushMemberArgs

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

keep_pickler()  # with Pulumi's CLI, the program runs alone in its process
