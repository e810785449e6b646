"""Findings: what looks wrong in a fleet that is adopted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flotilla.adopt.grouping import is_claimed, sender_of
from flotilla.adopt.model import Finding, Found, MemberFacts, Selection
from flotilla.karmada.control_plane_kinds import KINDS
from flotilla.karmada.kinds import goes_by_itself, identity, kind_of
from flotilla.karmada.names import EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.rendering.traveling import TOKEN_TYPE
from flotilla.karmada.selection import POLICIES, claimant, selects
from flotilla.karmada.unspread import meant_to_spread
from flotilla.kube.objects import Object, condition, is_true, ref_of
from flotilla.untrusted import one_line

RESERVED = ("karmada-", "kube-")
"""Beginnings of namespaces from which Karmada sends nothing."""


def is_reserved(obj: Object) -> bool:
    """Return whether an object is in a namespace that is reserved for Karmada or Kubernetes."""
    return str(obj["metadata"].get("namespace") or "").startswith((*RESERVED, EXECUTION_NAMESPACE_PREFIX))


def followers(bindings: Iterable[Object]) -> set[tuple[str, str, str]]:
    """Return kind, namespace and name of the objects that Karmada sends along with templates (propagateDeps)."""
    found = set()
    for binding in bindings:
        spec = binding.get("spec") or {}
        if spec.get("requiredBy"):
            resource: dict[str, Any] = spec.get("resource") or {}
            found.add((str(resource.get("kind")), str(resource.get("namespace") or ""), str(resource.get("name"))))
    return found


def short_key(obj: Object) -> tuple[str, str, str]:
    """Return the key of an object in the result of `followers`."""
    meta = obj["metadata"]
    return str(obj["kind"]), str(meta.get("namespace") or ""), str(meta["name"])


def findings_of(
    found: Found, sent: list[tuple[Object, Object]], facts: Mapping[str, MemberFacts], selection: Selection
) -> list[Finding]:
    """Return the findings about the part of the fleet that is adopted.

    Args:
        found: the existing fleet.
        sent: the templates to adopt, each with its policy.
        facts: the facts that were read from members.
        selection: the part to adopt.
    """
    return [
        *_members(found, facts, selection),
        *_unfinished(found, facts, selection),
        *_competing(found, sent),
        *_clusters(found, sent),
        *_unclaimed(found, sent, selection),
    ]


def _members(found: Found, facts: Mapping[str, MemberFacts], selection: Selection) -> Iterator[Finding]:
    for cluster in found.clusters:
        name = str(cluster["metadata"]["name"])
        if not selection.has_member(name):
            continue
        if not is_true(cluster, "Ready"):
            ready = condition(cluster, "Ready") or {}
            why = one_line(str(ready.get("message") or ready.get("reason") or "it has never reported"))
            yield Finding("member-not-ready", f"Cluster {name}", why)
        account = found.credentials[name].account if name in found.credentials else ""
        bindings = facts[name].administrators.get(account, ()) if account and name in facts else ()
        if bindings:
            message = (
                f"Karmada's token ({account}) has all permissions there, by ClusterRoleBinding {', '.join(bindings)}: "
                "everyone who can read the control plane's Secrets is administrator of the member"
            )
            yield Finding("token-cluster-admin", f"Cluster {name}", message)


def _unfinished(found: Found, facts: Mapping[str, MemberFacts], selection: Selection) -> Iterator[Finding]:
    """Yield findings for unfinished joins, of members for which the user gave no kubeconfig."""
    for name in sorted(found.unfinished - facts.keys()):
        if selection.has_member(name):
            message = (
                f"its join is unfinished: Secrets {name} and {name}-impersonator exist, but no Cluster; give "
                f"--member-kubeconfig {name}=FILE to declare it, and `up --adopt` completes the join"
            )
            yield Finding("join-unfinished", f"member {name}", message)


def _competing(found: Found, sent: list[tuple[Object, Object]]) -> Iterator[Finding]:
    policies = [policy for policy in found.policies if policy["kind"] in POLICIES]
    for template, sender in sent:
        rivals = [one for one in policies if identity(one) != identity(sender) and selects(one, template)]
        if not rivals:
            continue
        listed = ", ".join(str(ref_of(one)) for one in rivals)
        message = f"{ref_of(sender)} sends it, and {listed} {'selects' if len(rivals) == 1 else 'select'} it too"
        winner = claimant(policies, template)
        if winner is not None and identity(winner) != identity(sender):
            message += f"; if it were claimed again, {ref_of(winner)} would send it"
        yield Finding("competing-policies", str(ref_of(template)), message)


def _clusters(found: Found, sent: list[tuple[Object, Object]]) -> Iterator[Finding]:
    known = {str(cluster["metadata"]["name"]) for cluster in found.clusters}
    for policy in {identity(sender): sender for _, sender in sent}.values():
        placement = (policy.get("spec") or {}).get("placement") or {}
        affinities = [placement.get("clusterAffinity") or {}, *(placement.get("clusterAffinities") or [])]
        named = {str(name) for one in affinities for name in one.get("clusterNames") or []}
        if unknown := sorted(named - known):
            message = f"it names {', '.join(unknown)}, but the control plane has no such Cluster"
            yield Finding("unknown-cluster", str(ref_of(policy)), message)


def _unclaimed(found: Found, sent: list[tuple[Object, Object]], selection: Selection) -> Iterator[Finding]:
    """Yield findings for unclaimed templates beside claimed ones, and for templates whose policy doesn't exist."""
    adopted = {identity(template) for template, _ in sent}
    namespaces = {str(template["metadata"].get("namespace") or "") for template, _ in sent} - {""}
    along = followers(found.bindings)
    for template in found.templates:
        if identity(template) in adopted or is_reserved(template) or not selection.has_object(template):
            continue
        if is_claimed(template):
            if sender_of(template, found.policies) is None and not selection.policies:
                yield Finding(
                    "claim-lost", str(ref_of(template)), "the policy that has claimed it doesn't exist any more"
                )
            continue
        here = str(template["metadata"].get("namespace") or "") in namespaces
        if not here or not _may_be_meant(template) or short_key(template) in along:
            continue
        if claimant(found.policies, template) is None:
            yield Finding("template-unclaimed", str(ref_of(template)), "no policy claims it: it runs nowhere")


def _may_be_meant(template: Object) -> bool:
    return (
        meant_to_spread(template)
        and not goes_by_itself(template)
        and kind_of(template) not in KINDS
        and template.get("type") != TOKEN_TYPE
    )
