"""Moves that are under way: copies are in both places on purpose until the run that moves them has ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.karmada.moving.marks import Mark
from flotilla.karmada.selection import POLICIES, selects
from flotilla.kube.objects import Object, ref_of

UNDER_WAY = "move-under-way"
_RAISED_BY_MOVES = ("spec.replicas", "spec.parallelism")
_FOLLOWS = frozenset({"not-propagated", "not-healthy"})


def under_way(cluster: str, policy: Object, mark: Mark) -> Finding:
    """Return the finding for a policy whose placement has both places of a move."""
    run = f" by {mark.by}" if mark.by else ""
    message = (
        f"a move {mark.text} is under way{run}: copies are in both places; if that run has ended, `flotilla up` "
        "continues the move"
    )
    return Finding(Layer.PLAN, UNDER_WAY, cluster, str(ref_of(policy)), message, time=mark.since, remedy=Remedy.UP)


def without_moving(findings: Iterable[Finding], declared: Declared) -> list[Finding]:
    """Leave out findings that a move itself causes: raised replicas, and copies in other clusters than in the state."""
    kept = list(findings)
    moving = {one.object for one in kept if one.rule == UNDER_WAY}
    if not moving:
        return kept
    objects: Sequence[Object] = declared.objects.get(CONTROL_PLANE, [])
    policies = [one for one in objects if one["kind"] in POLICIES and str(ref_of(one)) in moving]
    sent = {str(ref_of(one)) for one in objects if any(selects(policy, one) for policy in policies)}
    return [one for one in kept if not (one.object in sent and _is_caused_by_move(one))]


def _is_caused_by_move(finding: Finding) -> bool:
    raised = finding.layer is Layer.PLAN and finding.cluster == CONTROL_PLANE and finding.path in _RAISED_BY_MOVES
    return raised or finding.rule in _FOLLOWS
