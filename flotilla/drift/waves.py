"""Rollouts in waves: what they hold back is not drift, but a change that they have taken back is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.drift.findings import Finding, HeldBack, Layer, Remedy
from flotilla.errors import ClusterError
from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.selection import POLICIES, claimant, selects
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.waves.record import MANAGER, Phase, Record, list_records
from flotilla.karmada.waves.standing import standing
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.kube.ownership import last_writer

_PLACE = ("spec", "suspension")
_BACK = {Phase.REVERTED: "taken back by the rollout", Phase.REVERTING: "being taken back by the rollout"}
_UNKNOWN = "why is not known: the control plane refuses to list the rollouts' records"


@dataclass(frozen=True)
class Waves:
    """The changes in waves of a stack, as one check has read them."""

    held_back: tuple[HeldBack, ...] = ()
    findings: tuple[Finding, ...] = ()
    taken_back: Mapping[str, str] = field(default_factory=dict)
    """The reasons of changes that were taken back, by object of the control plane."""
    suspended: Mapping[ObjectRef, tuple[str, ...]] = field(default_factory=dict)
    """The clusters that are held back, by template."""
    problem: str = ""
    """Why the records could not be read."""

    def expected(self, workload: str, check: RolloutCheck) -> list[RolloutCheck]:
        """Return the checks of a workload, divided so that they don't wait for clusters that are held back.

        Templates whose policies hold nothing back are checked as usual, such as definitions that are sent earlier.
        """
        if not any(one.workload == workload for one in self.held_back):
            return [check]
        groups: dict[tuple[str, ...], list[Object]] = {}
        for template in check.templates:
            groups.setdefault(self.suspended.get(ref_of(template), ()), []).append(template)
        parts = [
            replace(check, templates=group, followers=[], suspension=_with(check.suspension, names))
            for names, group in groups.items()
        ]
        return [replace(parts[0], followers=check.followers), *parts[1:]] if parts else [check]

    def explained(self, finding: Finding) -> Finding:
        """Return the finding with a note and a manual remedy if the change of its object was taken back.

        The remedy is manual because `up` would make the same change again.
        """
        why = self.taken_back.get(finding.object)
        if why is None or finding.layer is not Layer.PLAN:
            return finding
        return replace(finding, note=why, remedy=Remedy.MANUAL)


def read_waves(connection: Connection, declared: Declared, policies: Iterable[Object]) -> Waves:
    """Return the changes in waves. This takes one request; none if no workload of the stack uses waves.

    Args:
        connection: the control plane.
        declared: what the stack declares.
        policies: the policies in the control plane.

    Raises:
        ClusterError: the control plane does not answer.
    """
    ours = {ref_of(obj) for obj in declared.objects.get(CONTROL_PLANE, [])}
    own = [policy for policy in policies if ref_of(policy) in ours]
    suspended = [policy for policy in own if policy["kind"] in POLICIES and _clusters_held_back(policy)]
    if not suspended and not declared.waves:
        return Waves()
    try:
        records, problem = list_records(connection), ""
    except ClusterError as error:
        if error.whole_cluster:
            raise
        records, problem = None, error.message
    known = {policy: one for one in (records or {}).values() for policy in one.policies}
    left = [policy for policy in suspended if records is not None and _key(policy) not in known]
    ending = [
        one for where, one in (records or {}).items() if one.phase in _BACK and _is_ours(where, one, declared, ours)
    ]
    senders = [policy for policy in own if policy["kind"] in POLICIES and policy not in left]
    holding = _holding_policies(declared, senders)
    return Waves(
        tuple(_held_back(declared, holding, known)),
        (*map(_left_over, left), *map(_taken_back, ending)),
        {name: _why(record) for record in ending for name in _objects_of(record, declared, own)},
        {ref: tuple(_clusters_held_back(policy)) for ref, policy in holding.items()},
        problem,
    )


def _holding_policies(declared: Declared, policies: list[Object]) -> dict[ObjectRef, Object]:
    """Return, by template, the policy that holds the template back from some clusters."""
    templates = [template for check in declared.rollouts.values() for template in check.templates]
    senders = {ref_of(one): claimant(policies, one) for one in templates}
    return {ref: policy for ref, policy in senders.items() if policy is not None and _clusters_held_back(policy)}


def _held_back(
    declared: Declared, holding: Mapping[ObjectRef, Object], known: Mapping[tuple[str, str, str], Record]
) -> Iterable[HeldBack]:
    """Yield the clusters that are held back, for each workload that has such clusters."""
    for workload, check in declared.rollouts.items():
        policies = [holding[ref_of(one)] for one in check.templates if ref_of(one) in holding]
        names = sorted({name for policy in policies for name in _clusters_held_back(policy)})
        if names:
            record = next((known[_key(policy)] for policy in policies if _key(policy) in known), None)
            state = standing(record) if record else _UNKNOWN
            yield HeldBack(workload, tuple(names), state, str(record.phase) if record else "")


def _clusters_held_back(policy: Object) -> list[str]:
    """Return the clusters to which a policy sends nothing because a rollout has suspended them."""
    suspension: Any = (policy.get("spec") or {}).get("suspension")
    named = suspension.get("dispatchingOnClusters") if isinstance(suspension, dict) else None
    names = (named.get("clusterNames") if isinstance(named, dict) else None) or []
    return [str(name) for name in names] if names and last_writer(policy, _PLACE).manager == MANAGER else []


def _key(policy: Object) -> tuple[str, str, str]:
    ref = ref_of(policy)
    return ref.kind, ref.namespace, ref.name


def _is_ours(where: ObjectRef, record: Record, declared: Declared, ours: set[ObjectRef]) -> bool:
    policies = {ObjectRef(POLICY_API, kind, name, namespace) for kind, namespace, name in record.policies}
    return where in declared.waves.values() or bool(policies & ours)


def _objects_of(record: Record, declared: Declared, own: list[Object]) -> set[str]:
    """Return the templates and policies of a workload, as texts."""
    check = declared.rollouts.get(record.workload)
    templates = check.objects if check else []
    policies = [one for one in own if any(selects(one, template) for template in templates)]
    return {str(ref_of(one)) for one in (*templates, *policies)}


def _why(record: Record) -> str:
    return _BACK[record.phase] + (f": {record.why}" if record.why else "")


def _taken_back(record: Record) -> Finding:
    message = f"its change was {_why(record)}"
    return Finding(
        Layer.PROPAGATION, "taken-back", CONTROL_PLANE, f"workload {record.workload}", message, remedy=Remedy.MANUAL
    )


def _left_over(policy: Object) -> Finding:
    names = ", ".join(_clusters_held_back(policy))
    message = f"sends nothing to {names} since a rollout suspended them, but no rollout is under way"
    place = ".".join(_PLACE)
    writer = last_writer(policy, _PLACE)
    return Finding(
        Layer.PROPAGATION,
        "suspension-left",
        CONTROL_PLANE,
        str(ref_of(policy)),
        message,
        path=place,
        found=(policy.get("spec") or {}).get("suspension"),
        manager=writer.manager,
        time=writer.time,
        remedy=Remedy.MANUAL,
        pointer="/" + "/".join(_PLACE),
    )


def _with(suspension: Object, names: Collection[str]) -> Object:
    """Return a suspension with additional clusters; the same suspension if there are none."""
    if not names:
        return suspension
    before = (suspension.get("dispatchingOnClusters") or {}).get("clusterNames") or []
    return {**suspension, "dispatchingOnClusters": {"clusterNames": sorted({*before, *names})}}
