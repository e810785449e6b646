"""The program: read the stack's fleet, declare its clusters, the control plane, its members and their workloads."""

from pathlib import Path
from typing import Any

import pulumi

from components import (
    ControlPlaneObjects,
    KarmadaControlPlane,
    KindCluster,
    PropagatedWorkload,
    PullMember,
    PushMember,
)
from components.configuration import decryption, take_config
from components.control_plane_objects import declare_last, declared_first
from components.credentials import Credentials, server_of
from components.dependencies import if_made
from flotilla.stack.clear_secrets import WORKLOADS, in_clear
from flotilla.stack.declare import (
    fleet_of_config,
    kind_args,
    release_args,
)
from flotilla.stack.files import ManifestFiles
from flotilla.stack.installation import hazards
from flotilla.stack.members import JoinMode
from flotilla.workloads.control_plane import control_plane_of
from flotilla.workloads.needs import known_kinds
from flotilla.workloads.notices import fleet_notices
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.order import in_order

BASE = Path(__file__).resolve().parent

values = take_config(BASE)
in_clear_text = not pulumi.runtime.is_config_secret(WORKLOADS)
manifests = ManifestFiles(BASE, opened=decryption())
fleet = fleet_of_config(values, BASE, manifests, as_written=in_clear_text)


def guarded(part: Any) -> pulumi.ResourceOptions:
    """Return the options of what may be protected from deletion, and may have had another name."""
    former = getattr(part, "formerly", None)
    return pulumi.ResourceOptions(protect=part.protect, aliases=[pulumi.Alias(name=former)] if former else None)


clusters = {cluster.name: KindCluster(cluster.name, kind_args(cluster), guarded(cluster)) for cluster in fleet.clusters}
credentials = Credentials(BASE, clusters)

karmada = fleet.control_plane
if karmada.helm:
    for hazard in hazards(karmada.helm, karmada.release):
        pulumi.log.warn(hazard)
    host = credentials.kubeconfig(karmada.helm.host)
    control_plane_args = {"release": {**release_args(karmada, BASE), "host_kubeconfig": host}}
elif karmada.stack:
    control_plane_args = {"kubeconfig": credentials.control_plane(karmada.stack)}
else:
    control_plane_args = {"kubeconfig": credentials.kubeconfig(karmada.kubeconfig)}
control_plane = KarmadaControlPlane("karmada", control_plane_args, guarded(karmada))

members = {}
for member in fleet.members:
    kubeconfig = credentials.kubeconfig(member.kubeconfig)
    args = {
        "control_plane": control_plane,
        "member": member,
        "kubeconfig": kubeconfig,
        "api_endpoint": member.api_endpoint or server_of(kubeconfig),
        "others": {name: other.found for name, other in members.items()},
    }
    if member.mode is JoinMode.PULL:
        args["karmada_version"] = karmada.release
        members[member.name] = PullMember(member.name, args, guarded(member))
    else:
        members[member.name] = PushMember(member.name, args, guarded(member))

given = control_plane_args.get("kubeconfig")
known = known_kinds(fleet, manifests, given if isinstance(given, str) else None)
clear = in_clear(fleet, manifests) if in_clear_text else []
for message in (*known.messages, *fleet_notices(fleet, manifests), *clear):
    pulumi.log.warn(message)
own = control_plane_of(fleet, manifests)
groups = {
    group.name: ControlPlaneObjects(group.name, {"control_plane": control_plane}, guarded(group))
    for group in fleet.objects
}
first = declared_first(groups, own.first())
workloads: dict[str, PropagatedWorkload] = {}
for workload, needs in in_order(fleet, manifests, known.kinds):
    # A workload waits for the members that its placement chooses, and is gone before any of them leaves. A member that
    # fails to join doesn't keep it from the others.
    chosen = {m.name: members[m.name] for m in fleet.chosen(workload.placement) if m.name in members}
    needed = [workloads[need.workload].first[need.what] for need in needs]
    # Until Karmada has lost its access under a former name, a policy that no longer has it would delete the copies.
    needed += [member.renamed for member in chosen.values() if member.renamed]
    workloads[workload.name] = PropagatedWorkload(
        workload.name,
        {
            "control_plane": control_plane,
            "workload": workload,
            "objects": own.marked(workload, manifests_of(workload, manifests), known.kinds),
            "version": karmada.release,
            "members": {name: member.expected for name, member in chosen.items()},
            "kinds": known.kinds,
            "custom": [need.kind for need in needs if need.kind],
        },
        pulumi.ResourceOptions(
            depends_on=[*(if_made(member.joined) for member in chosen.values()), *needed, *first.values()]
        ),
    )
declare_last(groups, own.last(), first, workloads)

pulumi.export("members", {name: member.cluster_id for name, member in members.items()})
pulumi.export("workloads", [workload.name for workload in fleet.workloads])
pulumi.export("kubeconfig", control_plane.kubeconfig)
if clusters:
    pulumi.export("clusters", {name: cluster.kubeconfig for name, cluster in clusters.items()})
