"""The program: read the stack's fleet, declare the control plane, its members and their workloads."""

from pathlib import Path

import pulumi

from components import KarmadaControlPlane, PropagatedWorkload, PushMember
from flotilla.config.declare import fleet_of_environment, member_args, workload_args
from flotilla.config.files import kubeconfig_text

BASE = Path(__file__).resolve().parent

fleet = fleet_of_environment(BASE)

control_plane = KarmadaControlPlane(
    "karmada",
    {"kubeconfig": kubeconfig_text(fleet.control_plane.kubeconfig, BASE)},
    pulumi.ResourceOptions(protect=fleet.control_plane.protect),
)

members = {
    member.name: PushMember(
        member.name,
        {"control_plane": control_plane, **member_args(member, BASE)},
        pulumi.ResourceOptions(protect=member.protect),
    )
    for member in fleet.members
}

for workload in fleet.workloads:
    # A workload waits for the members that its placement chooses, and is gone before any of them leaves.
    chosen = [members[member.name].cluster for member in fleet.chosen(workload.placement)]
    PropagatedWorkload(
        workload.name,
        {"control_plane": control_plane, **workload_args(workload, BASE)},
        pulumi.ResourceOptions(depends_on=chosen),
    )

pulumi.export("members", {name: member.cluster_id for name, member in members.items()})
pulumi.export("workloads", [workload.name for workload in fleet.workloads])
pulumi.export("kubeconfig", control_plane.kubeconfig)
