"""The policies of a workload in a plan: a pair for each namespace, and a cluster-wide pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flotilla.karmada.aiming import is_of_one
from flotilla.karmada.selection import OVERRIDES, POLICIES
from flotilla.plan.steps import GOING, Op, Step

_VERBS = {
    Op.CREATE: "new",
    Op.CREATE_REPLACEMENT: "new",
    Op.UPDATE: "changes",
    Op.ADOPT: "adopted",
    **dict.fromkeys(GOING, "gone"),
}
_KINDS = (*POLICIES, *OVERRIDES)


@dataclass(frozen=True)
class PolicyPlan:
    """What happens to one policy."""

    kind: str
    """PropagationPolicy, OverridePolicy, or the cluster-wide form of one of the two."""
    namespace: str
    """Empty for a cluster-wide policy."""
    name: str
    verb: str
    """new, adopted, gone, changes or stays."""

    def to_json(self) -> dict[str, str]:
        """Return the policy in its JSON form."""
        return {"kind": self.kind, "namespace": self.namespace, "name": self.name, "verb": self.verb}


def policies_of(steps: Iterable[Step]) -> dict[str, tuple[PolicyPlan, ...]]:
    """Return the policies of workloads that have policies in more than one place, by the workload's URN."""
    found: dict[str, list[PolicyPlan]] = defaultdict(list)
    for step in steps:
        state = step.new or step.old
        kind = step.type.rpartition(":")[2]
        if state is None or kind not in _KINDS or not step.type.startswith("kubernetes:"):
            continue
        metadata = state.plain.get("metadata") or {}
        namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name") or step.name)
        found[state.parent].append(PolicyPlan(kind, namespace, name, _VERBS.get(step.op, "stays")))
    return {parent: _ordered(listed) for parent, listed in found.items() if len({_place(one) for one in listed}) > 1}


def _ordered(listed: list[PolicyPlan]) -> tuple[PolicyPlan, ...]:
    """Sort policies by their place, the cluster-wide ones last."""
    return tuple(sorted(listed, key=lambda one: (not one.namespace, one.namespace, one.name, _KINDS.index(one.kind))))


def _place(policy: PolicyPlan) -> tuple[str, str]:
    return policy.namespace, policy.name


def policies_text(policies: Sequence[PolicyPlan]) -> str:
    """Describe where policies are and what happens to them: `default/shop, web/shop.web (new), shop cluster-wide`."""
    places: dict[tuple[str, str], list[PolicyPlan]] = defaultdict(list)
    for policy in policies:
        places[_place(policy)].append(policy)
    return ", ".join(f"{_called(*place)}{_becomes(listed)}" for place, listed in places.items())


def doubled(policies: Sequence[PolicyPlan]) -> str:
    """Return a message if a new override policy coexists with one that is deleted at the end of the run, else nothing.

    This happens when the workload's `namespace` changes: until the former policy is deleted, both apply. The override
    policy of a single object is deleted before the rollout.
    """
    overrides = [one for one in policies if one.kind in OVERRIDES and not is_of_one(one.name)]
    coming = {one.namespace for one in overrides if one.verb == "new"}
    both = sorted({one.namespace for one in overrides if one.verb == "gone" and one.namespace in coming})
    if not both:
        return ""
    return (
        f"its overrides add arguments to a command, and would add them twice in {', '.join(both)}, which its rollout "
        "would wait for without success: leave its `namespace` as it is, or remove the arguments for one `up`"
    )


def _called(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else f"{name} cluster-wide"


def _becomes(listed: list[PolicyPlan]) -> str:
    verbs = {one.verb for one in listed}
    if len(verbs) == 1:
        return "" if verbs == {"stays"} else f" ({verbs.pop()})"
    said = ", ".join(f"{one.kind} {one.verb}" for one in listed if one.verb != "stays")
    return f" ({said})"
