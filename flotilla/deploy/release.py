"""Gives workloads and members back: their copies run on, Karmada and the state forget them."""

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
"""What Karmada sends to each member for itself (pkg/controllers/unifiedauth)."""
_SAYS = {"spec": {"preserveResourcesOnDeletion": True, "activationPreference": None}}
"""A policy that is about to go no longer waits for a change of the objects, either."""


@dataclass(frozen=True)
class Released:
    """One workload or one member that is given back."""

    name: str
    component: str
    """The URN of its component."""
    resources: tuple[ResourceState, ...]
    """All that the state has of it, the component first."""

    @property
    def is_member(self) -> bool:
        """Whether it is a member."""
        return self.resources[0].type in MEMBER_TYPES

    def objects(self, cluster: str) -> list[Object]:
        """Return what was declared of it in one cluster, in the state's order."""
        found = [one for one in self.resources if one.type.startswith("kubernetes:")]
        return [reveal(one.inputs) for one in found if cluster_of(provider_of(one.provider)) == cluster]

    def uid(self, ref: ObjectRef) -> str:
        """Return the UID of one of its objects; empty where the state has none."""
        for one in self.resources:
            if one.type.startswith("kubernetes:") and ref_of(reveal(one.inputs)) == ref:
                metadata = reveal(one.outputs).get("metadata")
                return str(metadata.get("uid") or "") if isinstance(metadata, dict) else ""
        return ""


@dataclass(frozen=True)
class Release:
    """What is given back."""

    workloads: tuple[Released, ...]
    members: tuple[Released, ...]
    staying: dict[str, tuple[ObjectRef, ...]]
    """By member, the copies that run on there."""
    kubeconfigs: dict[str, str]
    """Administrator's kubeconfigs of the members that the state has, by name."""
    members_first: bool = False
    """Members leave before workloads do: this Karmada has no field for copies that stay, and reaches none then."""

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
        """What goes from the control plane."""
        return [ref_of(obj) for one in (*self.workloads, *self.members) for obj in one.objects(CONTROL_PLANE)]

    @property
    def urns(self) -> set[str]:
        """What the state forgets."""
        return {one.urn for part in (*self.workloads, *self.members) for one in part.resources}

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {
            "workloads": [one.name for one in self.workloads],
            "members": [one.name for one in self.members],
            "staying": {name: [str(ref) for ref in refs] for name, refs in sorted(self.staying.items())},
            "controlPlane": [str(ref) for ref in self.removed],
            "stateEntries": sorted(self.urns),
        }


def plan_release(setting: Setting, engine: EngineName, names: Sequence[str], *, everything: bool = False) -> Release:
    """Say what giving something back does; nothing is changed.

    Args:
        setting: where the stack is.
        engine: by which its control plane is found.
        names: workloads and members; `workload/x` or `member/x` where both have a name.
        everything: every workload and every member.

    Raises:
        FlotillaError: a name is unknown, a run broke off, others need what would go, or Karmada is too old.
    """
    snapshot = embedded_stack(setting).snapshot()
    parts = _parts(snapshot)
    chosen = parts if everything else [_named(parts, name) for name in names]
    if not chosen:
        raise FlotillaError(f"stack {setting.stack} has no workload and no member", hint="there is nothing to release")
    workloads = tuple(one for one in parts if one in chosen and not one.is_member)
    members = tuple(one for one in parts if one in chosen and one.is_member)
    _refuse_begun(snapshot, {one.urn for part in chosen for one in part.resources})
    _refuse_needed(workloads, [one for one in parts if not one.is_member and one not in workloads])
    kubeconfigs = declared(snapshot).kubeconfigs
    for one in members:
        if one.name not in kubeconfigs:
            raise FlotillaError(
                f"the state has no kubeconfig of {one.name}: its copies could not be freed of their marks",
                hint="run `flotilla up` once before; `flotilla abandon` is for a member that is gone",
            )
        if not _cluster_id(one):
            raise FlotillaError(
                f"the state has no UID of {one.name}'s cluster: Karmada's access to it could not be taken away first, "
                "and everything that it has sent there would be deleted",
                hint="run `flotilla up` once before",
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
    """Carry it out: Karmada first, the state last, so that a broken-off run can be repeated.

    Returns:
        What could not be done, a line each.

    Raises:
        FlotillaError: copies could not be marked as kept; nothing was removed then. Or Karmada does not let them go.
    """
    connection = control_plane_of(setting, engine)
    stack = embedded_stack(setting)
    said = []
    workloads = {one.urn for part in plan.workloads for one in part.resources}
    with stack.changing():
        if workloads and not plan.members_first:
            said += _let_workloads_go(setting, connection, plan)
            stack.forget(workloads, verb="release")
        _cut_off(setting, connection, plan)
        for one in plan.members:
            _let_member_go(connection, one, plan.kubeconfigs[one.name])
            stack.forget({resource.urn for resource in one.resources}, verb="release")
        if workloads and plan.members_first:
            for obj in (*plan.policies, *_spaces_last(plan.templates)):
                _delete(connection, ref_of(obj), plan.workloads)
            said += finish_bindings(connection, map(ref_of, plan.templates))
            stack.forget(workloads, verb="release")
    return said


# -- what is meant ---------------------------------------------------------------------------------


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


def _refuse_begun(snapshot: Snapshot, urns: set[str]) -> None:
    begun = [one.resource for one in snapshot.pending if one.resource.urn in urns or one.resource.parent in urns]
    if begun:
        raise FlotillaError(
            f"a run broke off at {begun[0].name}: nobody knows what became of it",
            hint="run `flotilla up` once before",
        )


def _refuse_others(connection: Connection, members: Iterable[Released]) -> None:
    """Refuse where a Cluster isn't known to be the member's own: Karmada would keep its access while that goes."""
    for one in members:
        cluster = connection.find(ObjectRef(CLUSTER_API, "Cluster", one.name))
        found = str((cluster.get("spec") or {}).get("id") or "") if cluster else _cluster_id(one)
        if found != _cluster_id(one):
            raise FlotillaError(
                f"Cluster {one.name} of this control plane has {f'the UID {found}' if found else 'no UID'}, and the "
                f"stack's member {_cluster_id(one)}: it could be another cluster, and Karmada would delete what it has "
                "sent there; nothing was changed",
                hint="run `flotilla up` once before: it says which cluster it is",
            )


def _refuse_protected(chosen: Iterable[Released]) -> None:
    for part in chosen:
        if any(resource.protect for resource in part.resources):
            raise FlotillaError(
                f"{part.name} is protected and would leave the stack",
                hint="take `protect` off in the stack file and run `flotilla up` first",
            )


def _refuse_needed(going: Iterable[Released], others: Iterable[Released]) -> None:
    """Refuse to take a namespace or a definition from under other workloads."""
    templates = [obj for one in going for obj in one.objects(CONTROL_PLANE)]
    spaces = {obj["metadata"]["name"] for obj in templates if kind_of(obj) == NAMESPACE}
    kinds = {defined_kind(obj) for obj in templates if kind_of(obj) == DEFINITION}
    for other in others:
        for obj in other.objects(CONTROL_PLANE):
            namespace = obj["metadata"].get("namespace")
            if namespace in spaces or kind_of(obj) in kinds:
                what = f"namespace {namespace}" if namespace in spaces else f"the definition of {obj['kind']}"
                raise FlotillaError(
                    f"workload {other.name} needs {what}, which would go from the control plane: {ref_of(obj)}",
                    hint=f"release {other.name} as well; nothing was changed",
                )


def _too_old(connection: Connection, plan: Release) -> FlotillaError | None:
    """Return why Karmada's policies can't say that copies stay: it would drop the field without a word."""
    for policy in _senders(plan.policies):
        ref = ref_of(policy)
        if connection.find(ref) is None:
            continue
        taken = connection.patch(ref, _SAYS, query={"fieldManager": "flotilla", "dryRun": "All"})
        if not (taken.get("spec") or {}).get("preserveResourcesOnDeletion"):
            return FlotillaError(
                f"this Karmada can't let copies go: {ref} has no preserveResourcesOnDeletion",
                hint="Karmada 1.12 or newer can; a member can be released with all that it runs, and so can everything "
                "(--all)",
            )
    return None


def _all_leave(connection: Connection, members: Iterable[Released]) -> bool:
    """Tell whether no Cluster is left once these members have left."""
    return {str(one["metadata"]["name"]) for one in connection.list(CLUSTER_API, "Cluster")} <= {
        m.name for m in members
    }


def _spaces_last(templates: Iterable[Object]) -> list[Object]:
    """Return templates with namespaces and definitions, which take others along, behind these."""
    return sorted(templates, key=lambda one: kind_of(one) in (NAMESPACE, DEFINITION))


def _senders(policies: Iterable[Object]) -> list[Object]:
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
    """Tell whether an object is part of Karmada's own access to a member, which goes with it."""
    return (ref.kind, ref.name) in {(one.kind, one.name) for one in _ACCESS}


# -- what is done ----------------------------------------------------------------------------------


def _let_workloads_go(setting: Setting, connection: Connection, plan: Release) -> list[str]:
    templates = plan.templates
    alone = [obj["metadata"]["name"] for obj in templates if goes_by_itself(obj)]
    refs = [ref_of(obj) for obj in templates]
    for policy in _senders(plan.policies):
        patched(connection, ref_of(policy), _SAYS)
    for name in alone:
        patched(connection, ObjectRef("v1", "Namespace", name), {"metadata": {"annotations": {ON_REMOVAL: "keep"}}})
    setting.report("waiting until every copy is sure to stay")
    # Also where another policy has claimed a template, or none has: it is deleted all the same.
    await_preserved(connection, [ref_of(obj) for obj in templates if not goes_by_itself(obj)], _SECONDS, every=True)
    keep_namespaces(connection, alone, _SECONDS)
    last = [ref_of(obj) for obj in templates if kind_of(obj) in (NAMESPACE, DEFINITION)]
    finisher = Finisher(connection, refs)
    for part in ([ref for ref in refs if ref not in last], last):
        for ref in part:
            _delete(connection, ref, plan.workloads)
        setting.report("waiting until Karmada has let the copies go")
        await_released(connection, Finisher(connection, part), _SECONDS)
    await_released(connection, finisher, _SECONDS)
    for policy in plan.policies:
        _delete(connection, ref_of(policy), plan.workloads)
    unfinished = finish_bindings(connection, refs)
    unreached = free_copies(connection, refs)
    for name in sorted(unreached):
        if name in plan.kubeconfigs:
            with suppress(FlotillaError):  # it is named, and the others are done
                free_in(connect(plan.kubeconfigs[name], name=name), refs)
                del unreached[name]
    marked = [f"copies in {name} may still have marks of Karmada: {why}" for name, why in sorted(unreached.items())]
    return marked + unfinished


def _cut_off(setting: Setting, connection: Connection, plan: Release) -> None:
    """Take Karmada's access to all members away, before one leaves: its replicas would come to the next ones."""
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
        setting.report(f"waiting until Karmada no longer reaches {name}, so that it leaves everything there as it is")
        await_cut_off(connection, name)


def _let_member_go(connection: Connection, one: Released, kubeconfig: str) -> None:
    """Let a member that Karmada can't reach leave as it is."""
    member, cluster_id = connect(kubeconfig, name=one.name), _cluster_id(one)
    inside, outside = one.objects(one.name), one.objects(CONTROL_PLANE)
    works = connection.list(WORK_API, "Work", namespace=execution_namespace(one.name))
    sent = [ref for work in works for ref in carried(work)]
    free_in(member, [ref for ref in sent if not _is_access(ref)], managed=True)
    remove_cluster(connection, one.name, cluster_id)
    for ref in reversed([ref_of(obj) for obj in outside]):
        if ref.kind != "Cluster":
            _delete(connection, ref, [one])
    # Not by the Works, which a run that broke off has removed: a later join would take it for another control plane's.
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
        return  # it has gone with its definition
