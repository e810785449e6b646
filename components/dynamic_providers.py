"""The dynamic resources of this project by their type tokens: how the embedded engine finds their providers.

The engine reads this mapping by the entry point `flotilla.dynamic_providers`; a new dynamic resource needs a line here.
"""

from __future__ import annotations

PROVIDERS = {
    "dynamic/flotilla:AgentIdentity": "components.agent_identity:AgentIdentityProvider",
    "dynamic/flotilla:Certificates": "components.control_plane_pki:CertificatesProvider",
    "dynamic/flotilla:ClusterIdentity": "components.cluster_identity:ClusterIdentityProvider",
    "dynamic/flotilla:ControlPlaneReady": "components.installation:ReadyProvider",
    "dynamic/flotilla:Hold": "components.hold:HoldProvider",
    "dynamic/flotilla:HostState": "components.installation:HostStateProvider",
    "dynamic/flotilla:Keeping": "components.keeping:KeepingProvider",
    "dynamic/flotilla:Kind": "components.kind_cluster:KindClusterProvider",
    "dynamic/flotilla:Membership": "components.membership:MembershipProvider",
    "dynamic/flotilla:Move": "components.move:MoveProvider",
    "dynamic/flotilla:Rollout": "components.rollout:RolloutProvider",
    "dynamic/flotilla:ServedKinds": "components.served_kinds:ServedKindsProvider",
    "dynamic/flotilla:UninstallGuard": "components.installation:UninstallGuardProvider",
    "dynamic/flotilla:Withdrawal": "components.withdrawal:WithdrawalProvider",
}
"""Type token without `pulumi-python:`, to `package.module:Class`."""
