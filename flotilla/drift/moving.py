"""Moves that are under way: copies are in both places on purpose, until the run that moves them is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.karmada.moving.marks import Mark
from flotilla.karmada.selection import POLICIES, selects
from flotilla.kube.objects import Object, ref_of

UNDER_WAY = "move-under-way"
_PART_OF_IT = ("spec.replicas", "spec.parallelism")
_FOLLOWS = frozenset({"not-propagated", "not-healthy"})


def under_way(cluster: str, policy: Object, mark: Mark) -> Finding:
    """Return the finding of a policy that holds both places of a move."""
    run = f" by {mark.by}" if mark.by else ""
    message = (
        f"a move {mark.text} is under way{run}: copies are in both places; if that run has ended, `flotilla up` goes on"
    )
    return Finding(Layer.PLAN, UNDER_WAY, cluster, str(ref_of(policy)), message, time=mark.since, remedy=Remedy.UP)


def without_moving(findings: Iterable[Finding], declared: Declared) -> list[Finding]:
    """Leave out what a move does itself: raised replicas, and copies that aren't where the state has them."""
    kept = list(findings)
    moving = {one.object for one in kept if one.rule == UNDER_WAY}
    if not moving:
        return kept
    objects: Sequence[Object] = declared.objects.get(CONTROL_PLANE, [])
    policies = [one for one in objects if one["kind"] in POLICIES and str(ref_of(one)) in moving]
    sent = {str(ref_of(one)) for one in objects if any(selects(policy, one) for policy in policies)}
    return [one for one in kept if not (one.object in sent and _is_part_of_it(one))]


def _is_part_of_it(finding: Finding) -> bool:
    raised = finding.layer is Layer.PLAN and finding.cluster == CONTROL_PLANE and finding.path in _PART_OF_IT
    return raised or finding.rule in _FOLLOWS
