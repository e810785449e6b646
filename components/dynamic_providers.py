"""The dynamic resources of this project by their type tokens, so that the embedded engine finds their providers.

The engine reads this mapping through the entry point `flotilla.dynamic_providers`; a new dynamic resource needs a line
here.
"""

from __future__ import annotations

PROVIDERS = {
    "dynamic/flotilla:AgentIdentity": f"{__package__}.agent_identity:AgentIdentityProvider",
    "dynamic/flotilla:Certificates": f"{__package__}.control_plane_pki:CertificatesProvider",
    "dynamic/flotilla:ClusterIdentity": f"{__package__}.cluster_identity:ClusterIdentityProvider",
    "dynamic/flotilla:ControlPlaneReady": f"{__package__}.installation:ReadyProvider",
    "dynamic/flotilla:Hold": f"{__package__}.hold:HoldProvider",
    "dynamic/flotilla:HostState": f"{__package__}.installation:HostStateProvider",
    "dynamic/flotilla:Keeping": f"{__package__}.keeping:KeepingProvider",
    "dynamic/flotilla:Kind": f"{__package__}.kind_cluster:KindClusterProvider",
    "dynamic/flotilla:Membership": f"{__package__}.membership:MembershipProvider",
    "dynamic/flotilla:Move": f"{__package__}.move:MoveProvider",
    "dynamic/flotilla:Rollout": f"{__package__}.rollout:RolloutProvider",
    "dynamic/flotilla:ServedKinds": f"{__package__}.served_kinds:ServedKindsProvider",
    "dynamic/flotilla:UninstallGuard": f"{__package__}.installation:UninstallGuardProvider",
    "dynamic/flotilla:Withdrawal": f"{__package__}.withdrawal:WithdrawalProvider",
}
"""The key is the type token without `pulumi-python:`, the value is `package.module:Class`."""
