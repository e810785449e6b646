"""The Pulumi program: reads the stack's fleet, and declares its clusters, control plane, members and workloads."""

from pathlib import Path

import pulumi

from components import ControlPlaneObjects, KarmadaControlPlane, KindCluster, PropagatedWorkload
from components.configuration import decryption, take_config
from components.control_plane_objects import declare_last, declared_first
from components.credentials import Credentials
from components.declared_clusters import control_plane_args, declare_members, guarded
from components.dependencies import if_made
from components.own import declare_own
from flotilla.stack.clear_secrets import WORKLOADS, in_clear
from flotilla.stack.declare import fleet_of_config, kind_args
from flotilla.stack.files import ManifestFiles
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

clusters = {cluster.name: KindCluster(cluster.name, kind_args(cluster), guarded(cluster)) for cluster in fleet.clusters}
credentials = Credentials(BASE, clusters)

karmada = control_plane_args(fleet.control_plane, credentials, BASE)
control_plane = KarmadaControlPlane("karmada", karmada, guarded(fleet.control_plane))
members = declare_members(fleet, control_plane, credentials)

given = karmada.get("kubeconfig")
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
    # A workload waits for the members that its placement chooses, and is deleted before any of them leaves. If one of
    # these members fails to join, the workload is still sent to the others.
    chosen = {m.name: members[m.name] for m in fleet.chosen(workload.placement) if m.name in members}
    needed = [workloads[need.workload].first[need.what] for need in needs]
    # A renamed member: as long as Karmada has access under the former name, a policy without that name would delete the
    # member's copies. So the workload waits until that access is removed.
    needed += [member.renamed for member in chosen.values() if member.renamed]
    workloads[workload.name] = PropagatedWorkload(
        workload.name,
        {
            "control_plane": control_plane,
            "workload": workload,
            "objects": own.marked(workload, manifests_of(workload, manifests), known.kinds),
            "version": fleet.control_plane.release,
            "members": {name: member.expected for name, member in chosen.items()},
            "kinds": known.kinds,
            "custom": [need.kind for need in needs if need.kind],
            "given_overrides": fleet.given_overrides,
        },
        pulumi.ResourceOptions(
            depends_on=[*(if_made(member.joined) for member in chosen.values()), *needed, *first.values()]
        ),
    )
declare_last(groups, own.last(), first, workloads)
declare_own(fleet, workloads, control_plane, BASE)

pulumi.export("members", {name: member.cluster_id for name, member in members.items()})
pulumi.export("workloads", [workload.name for workload in fleet.workloads])
pulumi.export("kubeconfig", control_plane.kubeconfig)
if clusters:
    pulumi.export("clusters", {name: cluster.kubeconfig for name, cluster in clusters.items()})
