"""The plan in terms of the fleet: which clusters join or leave, and what happens to each workload's copies.

It is computed only from the steps of either engine. A Rollout step has the templates, the placement and the overrides,
old and new, corrected by the steps of these objects themselves (flotilla.plan.found). A Cluster step has the facts that
placements use. So the plan shows what the engine will do, not a second interpretation of the configuration.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from flotilla.karmada.kinds import kind_of
from flotilla.karmada.names import cluster_of
from flotilla.karmada.scheduling import Scheduler
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of
from flotilla.plan.adoptions import is_worth_reporting, with_adoptions
from flotilla.plan.blast_radius import BlastRadius, blast_radius
from flotilla.plan.caveats import changing_policies
from flotilla.plan.change_texts import ChangeText, safe
from flotilla.plan.changes import change_text
from flotilla.plan.coming import Coming
from flotilla.plan.contents import ROLLOUT_TYPE, with_contents
from flotilla.plan.control_plane import ObjectPlan, own_objects
from flotilla.plan.copies import Surroundings
from flotilla.plan.followers import Knowledge, orders_of
from flotilla.plan.found import as_found, keeping, replaced_templates
from flotilla.plan.gapless import with_moves_in_order
from flotilla.plan.in_members import InMember
from flotilla.plan.interpreters import interpreted_kinds
from flotilla.plan.maintenance import MemberMaintenance, maintenance_plans
from flotilla.plan.members import (
    CLUSTER_TYPE,
    ClusterPlan,
    cluster_plan,
    describes_member,
    members_facts,
    replaced_members,
    with_kinds,
)
from flotilla.plan.policies import policies_of
from flotilla.plan.renames import present_names, refused_renames, renamed_members
from flotilla.plan.steps import CHANGING, GOING, Op, Result, Step
from flotilla.plan.under_way import with_rollouts
from flotilla.plan.workloads import Following, WorkloadPlan, templates_of, with_surroundings, workload_plans
from flotilla.state.urns import provider_of
from flotilla.state.values import mask, reveal


@dataclass(frozen=True)
class FleetPlan:
    """The whole plan."""

    clusters: tuple[ClusterPlan, ...]
    workloads: tuple[WorkloadPlan, ...]
    objects: dict[str, Counter[str]] = field(default_factory=dict)
    """By cluster (the name of its provider): how many objects are created, changed, replaced, deleted."""
    changed: dict[str, list[str]] = field(default_factory=dict)
    """By cluster: the objects that change in place or are replaced, and how."""
    copies: dict[str, list[Object]] = field(default_factory=dict, repr=False)
    """By cluster: the objects that it gets, with overrides and replicas applied; with their secrets."""
    refusals: tuple[str, ...] = ()
    """The reasons why this plan must not be carried out."""
    control_plane: tuple[ObjectPlan, ...] = ()
    """The objects of the control plane itself."""
    coming: tuple[Coming, ...] = field(default=(), repr=False)
    """The objects that are new to their clusters; with their secrets."""
    there: tuple[InMember, ...] = ()
    """Those of them that members already have from others than Karmada; empty where members were not asked."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """The reason, by member that could not be asked for these."""
    maintenance: tuple[MemberMaintenance, ...] = ()
    """The members whose stack declares maintenance, before or after the plan."""

    @cached_property
    def blast_radius(self) -> BlastRadius:
        """The blast radius of the plan."""
        drained = [one.member for one in self.maintenance if one.drained]
        return blast_radius(self.workloads, self.clusters, self.objects, drained)

    @cached_property
    def rendered(self) -> dict[str, list[Object]]:
        """By cluster: the objects that it gets, with secrets masked."""
        return {cluster: [mask(item) for item in items] for cluster, items in self.copies.items()}

    def to_json(self) -> dict[str, Any]:
        """Return the plan in its JSON form."""
        return {
            "blastRadius": self.blast_radius.to_json(),
            "clusters": [{"name": c.name, "verb": c.verb, "details": list(c.details)} for c in self.clusters],
            **({"maintenance": [one.to_json() for one in self.maintenance]} if self.maintenance else {}),
            "workloads": [workload.to_json() for workload in self.workloads],
            **({"controlPlane": [one.to_json() for one in self.control_plane]} if self.control_plane else {}),
            **({"inMembers": [one.to_json() for one in self.there]} if self.there else {}),
            **({"unasked": dict(sorted(self.unasked.items()))} if self.unasked else {}),
            **({"refusals": list(self.refusals)} if self.refusals else {}),
            "changed": dict(sorted(self.changed.items())),
            "objects": {name: dict(sorted(counter.items())) for name, counter in sorted(self.objects.items())},
        }


def fleet_plan(result: Result, *, version: str | None = None) -> FleetPlan:
    """Compute a plan from the steps of a preview or of an update.

    Args:
        result: the steps.
        version: Karmada's version, such as 1.18.2; None means that only what all supported versions do is certain.
    """
    # Independent steps run concurrently, in any order: sorted, a plan has the same order every time.
    ordered = sorted(result.steps, key=lambda step: (step.name, step.urn, step.op))
    steps = as_found(with_contents([step for step in ordered if step.op is not Op.REPLACE]))
    before = members_facts(steps, "old", result.clusters)
    after = members_facts(steps, "new", result.clusters)
    renamed = renamed_members([step for step in steps if step.type == CLUSTER_TYPE])
    replaced = replaced_members(steps)
    clusters = tuple(cluster_plan(step, replaced, renamed) for step in steps if describes_member(step, replaced))
    rollouts = [step for step in steps if step.type == ROLLOUT_TYPE]
    templates = templates_of(rollouts)
    interpreters = [*result.interpreters, *(s.plain for step in steps if (s := step.new or step.old))]
    kinds = [kind_of(one) for one in templates]
    around = Surroundings(
        tuple(with_kinds(after, templates)),
        Scheduler(Version.parse(version)) if version else None,
        uids_of(steps),
        interpreted_kinds(interpreters, asked=kinds),
        replaced_templates(steps),
        unasked=result.unasked if any(s.old and s.type == CLUSTER_TYPE and s.op not in GOING for s in steps) else "",
        changing=changing_policies(steps),
    )
    kept = keeping(steps)
    standing = [facts for facts in before if facts.name not in replaced]
    following = Following(
        orders_of(steps),
        Knowledge(
            result.absent,
            interpreted_kinds(interpreters, "dependencyInterpretation", asked=kinds),
            around.version,
        ),
    )
    workloads, rendered, coming = workload_plans(rollouts, standing, around, kept, present_names(renamed), following)
    whole = with_adoptions(with_surroundings(workloads, rollouts, policies_of(steps)), rollouts, steps)
    moved = with_moves_in_order(whole, steps, rollouts)
    return FleetPlan(
        clusters,
        tuple(with_rollouts(moved, [step for step in ordered if step.type == ROLLOUT_TYPE], after, result)),
        _objects(steps),
        _changed(ordered),
        rendered,
        refused_renames(renamed),
        own_objects(ordered),
        coming,
        maintenance=maintenance_plans(steps, workloads, around.members, result.clusters, around.scheduler),
    )


def uids_of(steps: list[Step]) -> dict[str, str]:
    """Return the UIDs of the objects that exist and stay, by reference."""
    found = {}
    for step in steps:
        if step.old and step.op in (Op.SAME, Op.UPDATE, Op.ADOPT) and step.type.startswith("kubernetes:"):
            live = reveal(step.old.outputs)
            uid = (live.get("metadata") or {}).get("uid") if isinstance(live, dict) else None
            if uid and live.get("kind"):
                found[str(ref_of(live))] = str(uid)
    return found


def _objects(steps: list[Step]) -> dict[str, Counter[str]]:
    """Count the changes of Kubernetes objects by the cluster that they are in."""
    counted: dict[str, Counter[str]] = {}
    for step in steps:
        if step.op in CHANGING and step.type.startswith("kubernetes:"):
            counted.setdefault(_cluster_of(step), Counter())[str(step.op)] += 1
    return counted


def _changed(steps: list[Step]) -> dict[str, list[str]]:
    """Describe the changes of objects that exist already."""
    texts: dict[str, list[str]] = {}
    for step in steps:
        if is_worth_reporting(step) and step.type.startswith("kubernetes:"):
            state = step.new or step.old
            inputs = state.plain if state else {}
            name = str(ref_of(inputs)) if inputs.get("kind") else step.name
            forced = {Op.REPLACE: "is replaced: ", Op.ADOPT: "is adopted: "}.get(step.op, "")
            texts.setdefault(_cluster_of(step), []).append(_changes_text(step, inputs, f"{name}: {forced}"))
    return texts


def _changes_text(step: Step, inputs: Object, prefix: str) -> str:
    if not step.changes:
        how = "" if step.op is Op.ADOPT else "is made ready"
        return prefix + "; ".join(part for part in (how, step.detail) if part)
    changes = tuple(safe(change, inputs) for change in step.changes)
    suffix = f"; {step.detail}" if step.detail else ""
    return ChangeText.of("; ".join(map(change_text, step.changes)), changes, prefix=prefix, suffix=suffix)


def _cluster_of(step: Step) -> str:
    """Return the cluster of an object: its provider has the cluster's name."""
    return cluster_of(provider_of(step.provider)) or "?"
