"""A stack's clusters according to its file: the control plane, and the members that join it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from flotilla.stack.declare import release_args
from flotilla.stack.fleet import ControlPlane, Fleet
from flotilla.stack.installation import hazards
from flotilla.stack.members import JoinMode

from .credentials import Credentials, server_of
from .karmada_control_plane import KarmadaControlPlane, KarmadaControlPlaneArgs
from .pull_member import PullMember, PullMemberArgs
from .push_member import PushMember, PushMemberArgs

Member = PushMember | PullMember


def guarded(part: Any) -> pulumi.ResourceOptions:
    """Return the options of a resource that may be protected from deletion, and may have a former name."""
    former = getattr(part, "formerly", None)
    return pulumi.ResourceOptions(protect=part.protect, aliases=[pulumi.Alias(name=former)] if former else None)


def control_plane_args(karmada: ControlPlane, credentials: Credentials, base: Path) -> KarmadaControlPlaneArgs:
    """Return the arguments of a stack's control plane: one that it installs, another stack's, or an existing one.

    Args:
        karmada: the section of the stack file.
        credentials: the credentials of the stack's clusters.
        base: the project's folder.
    """
    if karmada.helm:
        for hazard in hazards(karmada.helm, karmada.release):
            pulumi.log.warn(hazard)
        host = credentials.kubeconfig(karmada.helm.host)
        return {"release": {**release_args(karmada, base), "host_kubeconfig": host}}  # type: ignore[typeddict-item]
    if karmada.stack:
        return {"kubeconfig": credentials.control_plane(karmada.stack)}
    if karmada.kubeconfig is None:
        raise ValueError("a control plane has a kubeconfig, a chart or a stack")
    return {"kubeconfig": credentials.kubeconfig(karmada.kubeconfig)}


def declare_members(fleet: Fleet, control_plane: KarmadaControlPlane, credentials: Credentials) -> dict[str, Member]:
    """Declare the members of a stack, and return them by name, in the order of its file."""
    members: dict[str, Member] = {}
    for member in fleet.members:
        kubeconfig = credentials.kubeconfig(member.kubeconfig)
        args: PushMemberArgs = {
            "control_plane": control_plane,
            "member": member,
            "kubeconfig": kubeconfig,
            "api_endpoint": member.api_endpoint or server_of(kubeconfig),
            "others": {name: other.found for name, other in members.items()},
        }
        if member.mode is JoinMode.PULL:
            pulled: PullMemberArgs = {**args, "karmada_version": fleet.control_plane.release}
            members[member.name] = PullMember(member.name, pulled, guarded(member))
        else:
            members[member.name] = PushMember(member.name, args, guarded(member))
    return members
