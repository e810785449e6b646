"""Rules about placement: workloads go to the right members, and to more than one."""

from collections.abc import Iterator

from flotilla.karmada.kinds import SKIP_PROPAGATION
from flotilla.karmada.scheduling import ClusterFacts, Demand, Scheduler, choose, decide, divides, every_affinity
from flotilla.karmada.selection import selects
from flotilla.karmada.simulation.losses import all_in_one
from flotilla.policy.model import Resource, Rule, StackView

_LEAST = 2
_REPLICATED = ("Deployment", "StatefulSet", "ReplicaSet")
_RUNNING = (*_REPLICATED, "DaemonSet", "CronJob")
"""Kinds of which something always runs. A lost Job isn't counted: it would have ended anyway."""


def propagation_policies(view: StackView) -> list[Resource]:
    """Return the policies that place workloads."""
    return list(view.policies("PropagationPolicy", "ClusterPropagationPolicy"))


def chosen(policy: Resource, view: StackView) -> list[ClusterFacts]:
    """Return the members that a policy chooses, without those that a taint excludes."""
    scheduler = Scheduler(view.version)
    return list(choose(view.clusters(), policy.at("spec", "placement", default={}), scheduler=scheduler).chosen)


def possible(policy: Resource, view: StackView) -> list[ClusterFacts]:
    """Return the members that any group of a policy may choose, without those that a taint excludes."""
    placement = policy.at("spec", "placement", default={})
    tolerations = {"clusterTolerations": placement.get("clusterTolerations") or []}
    clusters, scheduler = view.clusters(), Scheduler(view.version)
    found = {
        cluster.name
        for affinity in every_affinity(placement)
        for cluster in choose(clusters, {**tolerations, "clusterAffinity": affinity}, scheduler=scheduler).chosen
    }
    return [cluster for cluster in clusters if cluster.name in found]


def selected(policy: Resource, view: StackView) -> list[Resource]:
    """Return the templates that a policy selects."""
    return [template for template in view.templates() if selects_template(policy, template)]


def selects_template(policy: Resource, template: Resource) -> bool:
    """Return whether a policy (a propagation policy or an override policy) selects a template."""
    whole = {"metadata": policy.at("metadata"), "spec": {"resourceSelectors": policy.at("spec", "resourceSelectors")}}
    return selects(whole, {key: template.at(key) for key in ("apiVersion", "kind", "metadata")})


def _names_members(policy: Resource, view: StackView) -> Iterator[str]:
    known = {cluster.name for cluster in view.clusters()}
    placement = policy.at("spec", "placement", default={})
    named = [name for affinity in every_affinity(placement) for name in affinity.get("clusterNames") or []]
    for name in dict.fromkeys(named):
        if name not in known:
            yield f"places on {name}, which is no member of this stack"


def _two_of_each(policy: Resource, view: StackView) -> Iterator[str]:
    count = len(chosen(policy, view))
    placement = policy.at("spec", "placement", default={})
    bounds = {one.get("spreadByField"): one for one in placement.get("spreadConstraints") or []}
    by_cluster = bounds.get("cluster", {})
    most = min(count, by_cluster.get("maxGroups") or count)
    scheduling = placement.get("replicaScheduling") or {}
    if most < _LEAST:
        yield f"chooses fewer than {_LEAST} clusters ({most})"
    elif scheduling.get("replicaDivisionPreference") == "Aggregated" and by_cluster.get("minGroups", 1) < _LEAST:
        yield "aggregates its replicas: one cluster may get all of them"
    for template in selected(policy, view):
        replicas = template.at("spec", "replicas", default=1)
        if template.kind in ("Deployment", "StatefulSet") and replicas < _LEAST:
            yield f"{template.kind} {template.at('metadata', 'name')} has fewer than {_LEAST} replicas ({replicas})"


def _survives(policy: Resource, view: StackView) -> Iterator[str]:
    placement = policy.at("spec", "placement", default={})
    scheduler, clusters = Scheduler(view.version), view.clusters()
    for template in selected(policy, view):
        if template.kind not in _RUNNING:
            continue
        replicas = template.at("spec", "replicas", default=1) if template.kind in _REPLICATED else None
        if isinstance(replicas, bool) or not isinstance(replicas, int | None):
            continue  # the API server reports what is wrong with it
        # The requests of its pods only matter for division by free capacity, which a preview doesn't know.
        demand = Demand(template.at("apiVersion"), template.kind, replicas)
        decision = decide(clusters, placement, demand, scheduler=scheduler)
        found = all_in_one(decision, replicas=replicas if divides(placement) else None)
        if found:
            where = found[0] if len(found) == 1 else f"one of {', '.join(found)}"
            template_name = f"{template.kind} {template.at('metadata', 'name')}"
            yield f"{template_name} only runs in {where}: nothing is left if it is lost"


def _namespaces(view: StackView) -> list[Resource]:
    return [template for template in view.templates() if template.kind == "Namespace"]


def _stays(namespace: Resource, _view: StackView) -> Iterator[str]:
    if namespace.at("metadata", "labels", default={}).get(SKIP_PROPAGATION) != "true":
        yield "Karmada sends a Namespace to every member, regardless of placements"


PLACEMENT_NAMES_MEMBERS = Rule(
    "placement-names-members",
    "Karmada silently waits for a cluster that doesn't exist",
    "name a member, or add the cluster to the members",
    propagation_policies,
    _names_members,
    always=True,
)
TWO_OF_EACH = Rule(
    "two-of-each",
    "A single cluster, or a single pod, causes an outage whenever it is upgraded",
    "place it on at least two clusters (with `spread` where replicas are aggregated), with at least two replicas",
    propagation_policies,
    _two_of_each,
    production_only=True,
)
SURVIVES_ANY_CLUSTER = Rule(
    "survives-any-cluster",
    "A lost cluster takes along everything that runs nowhere else; by default Karmada moves nothing",
    "divide its replicas over at least two clusters (weights, `spread`), or give it more; `flotilla simulate --each` "
    "shows the consequences of every loss",
    propagation_policies,
    _survives,
    production_only=True,
)
NAMESPACES_STAY = Rule(
    "namespaces-stay",
    "A Namespace that is created everywhere occupies its name in clusters that don't need it",
    f"label it {SKIP_PROPAGATION}=true and place it with a policy, or exempt it",
    _namespaces,
    _stays,
)
