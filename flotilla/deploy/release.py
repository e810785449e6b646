"""Releases workloads and members: their copies keep running, and Karmada and the state no longer have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from flotilla.deploy.access import control_plane_of
from flotilla.deploy.declared import CONTROL_PLANE, MEMBER_TYPES, declared
from flotilla.deploy.embedded import embedded_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.errors import FlotillaError
from flotilla.karmada.joining.abandon import remove_cluster
from flotilla.karmada.joining.agent import DEPLOYMENT
from flotilla.karmada.joining.join import IMPERSONATOR
from flotilla.karmada.joining.renaming import Agent, await_cut_off, take_access
from flotilla.karmada.keeping.bindings import finish_bindings
from flotilla.karmada.keeping.members import free_copies, free_in, patched
from flotilla.karmada.keeping.works import Finisher, await_preserved, await_released, carried, keep_namespaces
from flotilla.karmada.kinds import DEFINITION, NAMESPACE, defined_kind, goes_by_itself, kind_of
from flotilla.karmada.names import cluster_of, execution_namespace
from flotilla.karmada.objects import CLUSTER_API, POLICY_API, WORK_API
from flotilla.karmada.propagation import ON_REMOVAL
from flotilla.karmada.selection import POLICIES, is_policy
from flotilla.karmada.status.snapshot import member_of
from flotilla.kube.connection import Connection, KindNotServed, connect
from flotilla.kube.identity import verified
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.state.checkpoint import ResourceState, Snapshot, below
from flotilla.state.urns import name_of, own_type, provider_of
from flotilla.state.values import reveal

WORKLOAD_TYPE = "flotilla:index:PropagatedWorkload"
_SECONDS = 300.0
_ACCESS = tuple(
    ObjectRef("rbac.authorization.k8s.io/v1", kind, IMPERSONATOR) for kind in ("ClusterRoleBinding", "ClusterRole")
)
"""The objects that Karmada sends to each member for its own access (pkg/controllers/unifiedauth)."""
_PRESERVE = {"spec": {"preserveResourcesOnDeletion": True, "activationPreference": None}}
"""The patch of a policy before its deletion: copies stay, and the policy no longer waits for changes of the objects."""


@dataclass(frozen=True)
class Released:
    """One workload or one member to release."""

    name: str
    component: str
    """The URN of the component."""
    resources: tuple[ResourceState, ...]
    """The component and its descendants in the state, the component first."""

    @property
    def is_member(self) -> bool:
        """Whether it is a member."""
        return self.resources[0].type in MEMBER_TYPES

    def objects(self, cluster: str) -> list[Object]:
        """Return its declared objects in one cluster, in the state's order."""
        found = [one for one in self.resources if one.type.startswith("kubernetes:")]
        return [reveal(one.inputs) for one in found if cluster_of(provider_of(one.provider)) == cluster]

    def uid(self, ref: ObjectRef) -> str:
        """Return the UID of one of its objects; empty if the state has none."""
        for one in self.resources:
            if one.type.startswith("kubernetes:") and ref_of(reveal(one.inputs)) == ref:
                metadata = reveal(one.outputs).get("metadata")
                return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""
        return ""


@dataclass(frozen=True)
class Release:
    """The plan of a release."""

    workloads: tuple[Released, ...]
    members: tuple[Released, ...]
    staying: dict[str, tuple[ObjectRef, ...]]
    """For each member, the copies that keep running there."""
    kubeconfigs: dict[str, str]
    """The administrator's kubeconfigs from the state, by member."""
    members_first: bool = False
    """Whether members leave before workloads. This Karmada has no field that preserves copies, but without members it
    can't delete any."""

    @property
    def templates(self) -> list[Object]:
        """The workloads' templates."""
        return [obj for one in self.workloads for obj in one.objects(CONTROL_PLANE) if not is_policy(obj)]

    @property
    def policies(self) -> list[Object]:
        """The workloads' policies of every kind."""
        return [obj for one in self.workloads for obj in one.objects(CONTROL_PLANE) if is_policy(obj)]

    @property
    def removed(self) -> list[ObjectRef]:
        """The objects to remove from the control plane."""
        return [ref_of(obj) for one in (*self.workloads, *self.members) for obj in one.objects(CONTROL_PLANE)]

    @property
    def urns(self) -> set[str]:
        """The URNs to remove from the state."""
        return {one.urn for part in (*self.workloads, *self.members) for one in part.resources}

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON data."""
        return {
            "workloads": [one.name for one in self.workloads],
            "members": [one.name for one in self.members],
            "staying": {name: [str(ref) for ref in refs] for name, refs in sorted(self.staying.items())},
            "controlPlane": [str(ref) for ref in self.removed],
            "stateEntries": sorted(self.urns),
        }


def plan_release(setting: Setting, engine: EngineName, names: Sequence[str], *, everything: bool = False) -> Release:
    """Return the plan of a release; nothing is changed.

    Args:
        setting: the stack's setting.
        engine: the engine that finds the control plane.
        names: workloads and members; `workload/x` or `member/x` if both have the same name.
        everything: release every workload and every member.

    Raises:
        FlotillaError: a name is unknown, a run was interrupted, other workloads need an object that would be removed,
            or Karmada is too old.
    """
    snapshot = embedded_stack(setting).snapshot()
    parts = _parts(snapshot)
    chosen = parts if everything else [_named(parts, name) for name in names]
    if not chosen:
        raise FlotillaError(f"stack {setting.stack} has no workload and no member", hint="there is nothing to release")
    workloads = tuple(one for one in parts if one in chosen and not one.is_member)
    members = tuple(one for one in parts if one in chosen and one.is_member)
    _refuse_interrupted(snapshot, {one.urn for part in chosen for one in part.resources})
    _refuse_needed(workloads, [one for one in parts if not one.is_member and one not in workloads])
    kubeconfigs = declared(snapshot).kubeconfigs
    for one in members:
        if one.name not in kubeconfigs:
            raise FlotillaError(
                f"the state has no kubeconfig of {one.name}: Karmada's marks could not be removed from its copies",
                hint="run `flotilla up` first; `flotilla abandon` is for a member that no longer exists",
            )
        if not _cluster_id(one):
            raise FlotillaError(
                f"the state has no UID of {one.name}'s cluster: Karmada's access to it could not be removed first, "
                "and Karmada would delete everything that it has sent there",
                hint="run `flotilla up` first",
            )
    _refuse_protected(chosen)
    connection = control_plane_of(setting, engine)
    _refuse_others(connection, members)
    plan = Release(workloads, members, {}, kubeconfigs)
    too_old = _too_old(connection, plan)
    if too_old is not None and not _all_leave(connection, members):
        raise too_old
    return replace(plan, staying=_staying(connection, plan), members_first=too_old is not None)


def release(setting: Setting, engine: EngineName, plan: Release) -> list[str]:
    """Carry out the plan: Karmada first, the state last, so that an interrupted run can be repeated.

    Returns:
        One line for each part that could not be done.

    Raises:
        FlotillaError: copies could not be marked as preserved, and nothing was removed; or Karmada keeps them.
    """
    connection = control_plane_of(setting, engine)
    stack = embedded_stack(setting)
    said = []
    workloads = {one.urn for part in plan.workloads for one in part.resources}
    with stack.changing():
        if workloads and not plan.members_first:
            said += _release_workloads(setting, connection, plan)
            stack.forget(workloads, verb="release")
        _remove_access(setting, connection, plan)
        for one in plan.members:
            _release_member(connection, one, plan.kubeconfigs[one.name])
            stack.forget({resource.urn for resource in one.resources}, verb="release")
        if workloads and plan.members_first:
            for obj in (*plan.policies, *_namespaces_last(plan.templates)):
                _delete(connection, ref_of(obj), plan.workloads)
            said += finish_bindings(connection, map(ref_of, plan.templates))
            stack.forget(workloads, verb="release")
    return said


# -- the plan --------------------------------------------------------------------------------------


def _parts(snapshot: Snapshot) -> list[Released]:
    roots = [one.urn for one in snapshot.resources if one.type == WORKLOAD_TYPE or one.type in MEMBER_TYPES]
    return [Released(name_of(urn), urn, tuple(below(snapshot.resources, urn))) for urn in roots]


def _named(parts: list[Released], name: str) -> Released:
    kind, _, rest = name.rpartition("/")
    found = [one for one in parts if one.name == rest and kind in ("", "member" if one.is_member else "workload")]
    if len(found) > 1:
        raise FlotillaError(f"{name!r} is a workload and a member", hint=f"write workload/{rest} or member/{rest}")
    if not found:
        known = ", ".join(sorted(one.name for one in parts)) or "none"
        raise FlotillaError(f"the stack's state has no workload or member {name!r}", hint=f"it has {known}")
    return found[0]


def _refuse_interrupted(snapshot: Snapshot, urns: set[str]) -> None:
    begun = [one.resource for one in snapshot.pending if one.resource.urn in urns or one.resource.parent in urns]
    if begun:
        raise FlotillaError(
            f"a run broke off at {begun[0].name}, and its result is unknown",
            hint="run `flotilla up` first",
        )


def _refuse_others(connection: Connection, members: Iterable[Released]) -> None:
    """Refuse if a Cluster may belong to another cluster: Karmada would keep its access to that one and delete there."""
    for one in members:
        cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", one.name))
        found = str((cluster.get("spec") or {}).get("id") or "") if cluster else _cluster_id(one)
        if found != _cluster_id(one):
            raise FlotillaError(
                f"Cluster {one.name} of this control plane has {f'the UID {found}' if found else 'no UID'}, and the "
                f"stack's member {_cluster_id(one)}: it could be another cluster, and Karmada would delete what it has "
                "sent there; nothing was changed",
                hint="run `flotilla up` first: it says which cluster it is",
            )


def _refuse_protected(chosen: Iterable[Released]) -> None:
    for part in chosen:
        if any(resource.protect for resource in part.resources):
            raise FlotillaError(
                f"{part.name} is protected and would leave the stack",
                hint="remove `protect` from the stack file and run `flotilla up` first",
            )


def _refuse_needed(going: Iterable[Released], others: Iterable[Released]) -> None:
    """Refuse to remove a namespace or a definition that other workloads need."""
    templates = [obj for one in going for obj in one.objects(CONTROL_PLANE)]
    spaces = {obj["metadata"]["name"] for obj in templates if kind_of(obj) == NAMESPACE}
    kinds = {defined_kind(obj) for obj in templates if kind_of(obj) == DEFINITION}
    for other in others:
        for obj in other.objects(CONTROL_PLANE):
            namespace = obj["metadata"].get("namespace")
            if namespace in spaces or kind_of(obj) in kinds:
                what = f"namespace {namespace}" if namespace in spaces else f"the definition of {obj['kind']}"
                raise FlotillaError(
                    f"workload {other.name} needs {what}, which would be removed from the control plane: {ref_of(obj)}",
                    hint=f"release {other.name} as well; nothing was changed",
                )


def _too_old(connection: Connection, plan: Release) -> FlotillaError | None:
    """Return why Karmada's policies can't preserve copies: older versions drop the field silently. None if they can."""
    for policy in _propagation_policies(plan.policies):
        ref = ref_of(policy)
        if connection.find(ref) is None:
            continue
        taken = connection.patch(ref, _PRESERVE, query={"fieldManager": "flotilla", "dryRun": "All"})
        if not (taken.get("spec") or {}).get("preserveResourcesOnDeletion"):
            return FlotillaError(
                f"this Karmada can't release copies: {ref} has no preserveResourcesOnDeletion",
                hint="use Karmada 1.12 or newer, or release a member with everything that it runs, or release "
                "everything (--all)",
            )
    return None


def _all_leave(connection: Connection, members: Iterable[Released]) -> bool:
    """Return whether no Cluster remains after these members have left."""
    return {str(one["metadata"]["name"]) for one in connection.list(CLUSTER_API, "Cluster")} <= {
        m.name for m in members
    }


def _namespaces_last(templates: Iterable[Object]) -> list[Object]:
    """Return templates with namespaces and definitions last, since their deletion deletes others too."""
    return sorted(templates, key=lambda one: kind_of(one) in (NAMESPACE, DEFINITION))


def _propagation_policies(policies: Iterable[Object]) -> list[Object]:
    return [one for one in policies if one["apiVersion"] == POLICY_API and one["kind"] in POLICIES]


def _staying(connection: Connection, plan: Release) -> dict[str, tuple[ObjectRef, ...]]:
    wanted = {ref_of(obj) for obj in plan.templates}
    members = {one.name for one in plan.members}
    found: dict[str, set[ObjectRef]] = {}
    for work in connection.list(WORK_API, "Work"):
        member = member_of(work)
        for ref in carried(work):
            if ref in wanted or (member in members and not _is_access(ref)):
                found.setdefault(member, set()).add(ref)
    return {name: tuple(sorted(refs)) for name, refs in sorted(found.items())}


def _is_access(ref: ObjectRef) -> bool:
    """Return whether an object is part of Karmada's own access to a member, which is removed with the member."""
    return (ref.kind, ref.name) in {(one.kind, one.name) for one in _ACCESS}


# -- carrying it out -------------------------------------------------------------------------------


def _release_workloads(setting: Setting, connection: Connection, plan: Release) -> list[str]:
    templates = plan.templates
    alone = [obj["metadata"]["name"] for obj in templates if goes_by_itself(obj)]
    refs = [ref_of(obj) for obj in templates]
    for policy in _propagation_policies(plan.policies):
        patched(connection, ref_of(policy), _PRESERVE)
    for name in alone:
        patched(connection, ObjectRef("v1", "Namespace", name), {"metadata": {"annotations": {ON_REMOVAL: "keep"}}})
    setting.report("waiting until all copies are marked as preserved")
    # Also waits for templates that another policy or no policy has claimed, since they are deleted too.
    await_preserved(connection, [ref_of(obj) for obj in templates if not goes_by_itself(obj)], _SECONDS, every=True)
    keep_namespaces(connection, alone, _SECONDS)
    last = [ref_of(obj) for obj in templates if kind_of(obj) in (NAMESPACE, DEFINITION)]
    finisher = Finisher(connection, refs)
    for part in ([ref for ref in refs if ref not in last], last):
        for ref in part:
            _delete(connection, ref, plan.workloads)
        setting.report("waiting until Karmada has released the copies")
        await_released(connection, Finisher(connection, part), _SECONDS)
    await_released(connection, finisher, _SECONDS)
    for policy in plan.policies:
        _delete(connection, ref_of(policy), plan.workloads)
    unfinished = finish_bindings(connection, refs)
    unreached = free_copies(connection, refs)
    for name in sorted(unreached):
        if name in plan.kubeconfigs:
            with suppress(FlotillaError):  # the member is reported, and the other members are done
                free_in(connect(plan.kubeconfigs[name], name=name), refs)
                del unreached[name]
    marked = [f"copies in {name} may still have marks of Karmada: {why}" for name, why in sorted(unreached.items())]
    return marked + unfinished


def _remove_access(setting: Setting, connection: Connection, plan: Release) -> None:
    """Remove Karmada's access to all members before one leaves; otherwise its replicas would move to the next ones."""
    cut = []
    for one in plan.members:
        member = connect(plan.kubeconfigs[one.name], name=one.name)
        if cluster_id := _cluster_id(one):
            verified(member, cluster_id)
        inside = one.objects(one.name)
        agents = [obj for obj in inside if (obj["kind"], obj["metadata"]["name"]) == ("Deployment", DEPLOYMENT)]
        cut.append((one.name, cluster_id, Agent(member, agents[0]["metadata"]["namespace"]) if agents else None))
    there = [name for name, cluster_id, agent in cut if take_access(connection, name, cluster_id, agent)]
    for name in there:
        setting.report(f"waiting until Karmada no longer reaches {name}, so that it changes nothing there")
        await_cut_off(connection, name)


def _release_member(connection: Connection, one: Released, kubeconfig: str) -> None:
    """Remove a member that Karmada can't reach, without changing its workloads."""
    member, cluster_id = connect(kubeconfig, name=one.name), _cluster_id(one)
    inside, outside = one.objects(one.name), one.objects(CONTROL_PLANE)
    works = connection.list(WORK_API, "Work", namespace=execution_namespace(one.name))
    sent = [ref for work in works for ref in carried(work)]
    free_in(member, [ref for ref in sent if not _is_access(ref)], managed=True)
    remove_cluster(connection, one.name, cluster_id)
    for ref in reversed([ref_of(obj) for obj in outside]):
        if ref.kind != "Cluster":
            _delete(connection, ref, [one])
    # Not found by the Works, which an interrupted run may have removed. If these objects stayed, a later join would
    # conclude that the cluster belongs to another control plane.
    for ref in (*_ACCESS, *reversed([ref_of(obj) for obj in inside])):
        _delete(member, ref, [one])


def _cluster_id(one: Released) -> str:
    found = [r for r in one.resources if own_type(r.urn).endswith(":ClusterIdentity")]
    return str(reveal(found[0].outputs).get("uid", "")) if found else ""


def _delete(connection: Connection, ref: ObjectRef, of: Iterable[Released]) -> None:
    uid = next((uid for one in of if (uid := one.uid(ref))), "")
    try:
        connection.delete(ref, propagation="Background", uid=uid or None)
    except KindNotServed:
        return  # the object was deleted with its definition
