"""Gives up a member that no longer exists: what is removed, what may still run there, and the removal itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.deploy.access import control_plane_of
from flotilla.deploy.declared import CONTROL_PLANE, MEMBER_TYPES, declared
from flotilla.deploy.embedded import embedded_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.joining.abandon import await_not_ready, leftovers, remove_cluster
from flotilla.karmada.names import cluster_of, provider_name
from flotilla.kube.connection import ApiError, Unreachable, connect
from flotilla.kube.identity import AnotherCluster, uid_of, verified
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.state.checkpoint import ResourceState, Snapshot, below
from flotilla.state.urns import name_of, own_type, provider_of
from flotilla.state.values import reveal


@dataclass(frozen=True)
class Abandonment:
    """The plan of giving up a member."""

    member: str
    cluster_id: str
    """The UID of the lost cluster in the state; empty if the state has none."""
    why: str
    """Why the member counts as lost."""
    objects: tuple[ObjectRef, ...]
    """The member's declared objects in the control plane, the Cluster first."""
    works: tuple[ObjectRef, ...]
    running: tuple[ObjectRef, ...]
    """Objects that Karmada sent to the lost cluster, or that the join created there; they may still exist."""
    urns: tuple[str, ...]
    """The URNs to remove from the state."""
    uids: Mapping[ObjectRef, str]
    """UIDs of `objects`, if the state has them; another object of the same name is not deleted."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data."""
        return {
            "member": self.member,
            "clusterId": self.cluster_id,
            "why": self.why,
            "controlPlane": [str(ref) for ref in self.objects],
            "works": [str(ref) for ref in self.works],
            "mayStillRun": [str(ref) for ref in self.running],
            "stateEntries": list(self.urns),
        }


def plan_abandonment(setting: Setting, engine: EngineName, member: str) -> Abandonment:
    """Return what giving up a member would remove; nothing is changed.

    Raises:
        FlotillaError: the state doesn't have the member, the member answers, or the control plane doesn't answer.
    """
    snapshot = embedded_stack(setting).snapshot()
    resources = _of_member(snapshot, member)
    identity = next((r for r in resources if own_type(r.urn).endswith(":ClusterIdentity")), None)
    cluster_id = str(reveal(identity.outputs).get("uid", "")) if identity else ""
    why = _why_gone(snapshot, member, cluster_id)
    found = leftovers(control_plane_of(setting, engine), member)
    objects = [r for r in resources if r.type.startswith("kubernetes:")]
    uids = {_ref(r): _uid(r) for r in objects if cluster_of(provider_of(r.provider)) == CONTROL_PLANE}
    in_member = [_ref(r) for r in objects if cluster_of(provider_of(r.provider)) == member]
    return Abandonment(
        member,
        cluster_id,
        why,
        tuple(sorted(uids, key=lambda ref: (ref.kind != "Cluster", ref))),
        found.works,
        tuple(dict.fromkeys((*found.running, *in_member))),
        tuple(dict.fromkeys(r.urn for r in resources)),
        uids,
    )


def abandon(setting: Setting, engine: EngineName, plan: Abandonment) -> None:
    """Carry out the plan: the control plane first, the state last, so that an interrupted run can be repeated.

    Raises:
        FlotillaError: Karmada still reaches the member, or an object could not be removed.
    """
    connection = control_plane_of(setting, engine)
    await_not_ready(connection, plan.member, setting.report)
    stack = embedded_stack(setting)
    with stack.changing():
        remove_cluster(connection, plan.member, plan.cluster_id)
        for ref in plan.objects:
            if ref.kind != "Cluster":
                connection.delete(ref, propagation="Background", uid=plan.uids.get(ref) or None)
        stack.forget(set(plan.urns))


def _of_member(snapshot: Snapshot, member: str) -> list[ResourceState]:
    """Return a member's component and its descendants in the state's order, and its interrupted creations."""
    components = {r.urn for r in snapshot.resources if r.type in MEMBER_TYPES}
    root = next((urn for urn in components if name_of(urn) == member), None)
    if root is None:
        known = ", ".join(sorted(name_of(urn) for urn in components)) or "none"
        raise FlotillaError(f"the stack's state has no member {member!r}", hint=f"it has {known}")
    # An interrupted creation in the member is dropped with the member. One in the control plane stays pending, and the
    # next run looks for its object.
    begun = [op.resource for op in snapshot.pending if op.type == "creating"]
    every = [*snapshot.resources, *(r for r in begun if cluster_of(provider_of(r.provider)) == member)]
    return below(every, root)


def _why_gone(snapshot: Snapshot, member: str, cluster_id: str) -> str:
    """Return why a member counts as lost.

    Raises:
        FlotillaError: the member answers.
    """
    text = declared(snapshot).kubeconfigs.get(member)
    if text is None:
        return f"the state has no provider {provider_name(member)} any more"
    try:
        connection = connect(text, name=member)
        if cluster_id:
            verified(connection, cluster_id)
        else:
            uid_of(connection)
    except (Unreachable, AnotherCluster) as error:
        return error.message
    except ApiError as error:
        raise _answers(member, f"it answers with HTTP {error.status}") from None
    except ClusterError as error:
        return error.message
    raise _answers(member, "it answers")


def _answers(member: str, how: str) -> FlotillaError:
    return FlotillaError(
        f"{member} can't be given up: {how}",
        hint="take it out of the stack file and run `up`: it leaves in order, and takes its workloads along",
    )


def _ref(resource: ResourceState) -> ObjectRef:
    return ref_of(resource.plain)


def _uid(resource: ResourceState) -> str:
    metadata = reveal(resource.outputs).get("metadata")
    return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""
