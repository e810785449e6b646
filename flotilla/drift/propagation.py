"""Layer two: checks templates, policies, bindings, Works and the status that members report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flotilla.deploy.declared import CONTROL_PLANE, Declared
from flotilla.drift.findings import Finding, Layer, Remedy
from flotilla.karmada.cordons import is_cordoned
from flotilla.karmada.kinds import DEFINITION, NAMESPACE, kind_of
from flotilla.karmada.names import CLUSTER_NAMESPACE, EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.objects import POLICY_API, Cluster, ResourceBinding
from flotilla.karmada.scheduling import every_affinity
from flotilla.karmada.selection import OVERRIDES, POLICIES, POLICY_ID_LABELS, selects
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.status.snapshot import Snapshot, binding_ref
from flotilla.karmada.unspread import meant_to_spread
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of

_SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease", "karmada-system", CLUSTER_NAMESPACE)


def check_clusters(snapshot: Snapshot, declared: Declared) -> list[Finding]:
    """Return members that are not Ready or are cordoned, and names in placements for which there is no Cluster."""
    clusters = {cluster["metadata"]["name"]: cluster for cluster in snapshot.clusters}
    found = _cordoned(clusters, declared)
    for member in declared.members:
        cluster = Cluster.read(clusters[member]) if member in clusters else None
        if cluster is None or cluster.ready:
            continue  # layer one reports a missing Cluster, because the stack declares it
        ready = cluster.condition("Ready")
        reason = ready.why if ready else "no status yet"
        since = (ready.last_transition_time or "") if ready else ""
        found.append(_finding("member-not-ready", f"Cluster {member}", f"is not Ready: {reason}", time=since))
    for name, check in declared.rollouts.items():
        named = [name for affinity in every_affinity(check.placement) for name in affinity.get("clusterNames") or []]
        found += [
            _finding("cluster-missing", f"workload {name}", f"is placed on {cluster}, which is not a member")
            for cluster in dict.fromkeys(named)
            # A policy that the user wrote may name clusters that were never in this stack: that is not drift.
            if cluster not in clusters and (not check.members or cluster in check.members)
        ]
    return found


def _cordoned(clusters: Mapping[str, Object], declared: Declared) -> list[Finding]:
    """Return cordons that the stack does not declare. A declared cordon is a field of the Cluster in layer one."""
    objects = declared.objects.get(CONTROL_PLANE, [])
    own = {one["metadata"]["name"] for one in objects if one["kind"] == "Cluster" and is_cordoned(one)}
    return [
        _finding(
            "member-cordoned",
            f"Cluster {member}",
            "is cordoned, and the stack doesn't say so: nothing new is scheduled there; `flotilla cordon` declares it, "
            "`karmadactl uncordon` ends it",
        )
        for member in declared.members
        if member in clusters and member not in own and is_cordoned(clusters[member])
    ]


def check_rollout(snapshot: Snapshot, name: str, check: RolloutCheck) -> list[Finding]:
    """Return the templates of a workload that Karmada did not propagate, and the copies that are not healthy."""
    found = []
    for progress in check.progress(snapshot):
        template = str(progress.template)
        if progress.waiting_for:
            found.append(_finding("not-propagated", template, f"workload {name}: {progress.waiting_for}"))
        for cluster in progress.clusters:
            if cluster.waiting_for:
                message = f"workload {name}: {cluster.waiting_for}"
                found.append(_finding("not-healthy", template, message, cluster=cluster.cluster))
    return found


def check_complete(declared: Declared) -> list[Finding]:
    """Return objects that a workload declares but the state lacks, because a run ended before it created them."""
    return [
        _finding("not-propagated", f"workload {name}", f"{what} was declared and never created: run `flotilla up`")
        for name, missing in declared.missing.items()
        for what in missing
    ]


def list_policies(connection: Connection) -> list[Object]:
    """Return all propagation and override policies.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return [policy for kind in (*POLICIES, *OVERRIDES) for policy in connection.list(POLICY_API, kind)]


def check_policies(policies: Iterable[Object], declared: Declared) -> list[Finding]:
    """Return policies outside the stack that select templates of the stack."""
    ours = {ref_of(obj) for obj in declared.objects.get(CONTROL_PLANE, [])}
    templates = [template for check in declared.rollouts.values() for template in check.objects]
    others = [policy for policy in policies if ref_of(policy) not in ours]
    return [_competes(policy, template) for policy in others for template in templates if selects(policy, template)]


def _competes(policy: Object, template: Object) -> Finding:
    rule = "competing-policy" if policy["kind"] in POLICIES else "foreign-override"
    what = "also selects it" if policy["kind"] in POLICIES else "also changes it"
    priority = (policy.get("spec") or {}).get("priority")
    order = f" (priority {priority})" if priority is not None else ""
    return _finding(rule, str(ref_of(template)), f"{ref_of(policy)}{order} {what}, and is not in this stack")


def check_unclaimed(connection: Connection, declared: Declared, snapshot: Snapshot) -> list[Finding]:
    """Return templates that no policy has claimed, among the kinds and namespaces that the stack uses.

    The stack's own objects are left out: `check_rollout` follows its templates, and its other objects are not meant to
    be propagated. Dependencies that Karmada propagates with a template are left out, too. Among kinds without a
    namespace only CustomResourceDefinitions are checked, because a control plane has ClusterRoles, PriorityClasses and
    other such objects of its own.
    """
    ours = {ref_of(obj) for obj in declared.objects.get(CONTROL_PLANE, [])}
    templates = [template for check in declared.rollouts.values() for template in check.objects]
    found = []
    for api_version, kind, namespace in sorted({_where(t) for t in templates if _is_looked_for(t)}):
        if namespace in _SYSTEM_NAMESPACES or namespace.startswith(EXECUTION_NAMESPACE_PREFIX):
            continue
        for obj in connection.list(api_version, kind, namespace=namespace or None):
            labels = obj["metadata"].get("labels") or {}
            if any(key in labels for key in POLICY_ID_LABELS.values()) or not meant_to_spread(obj):
                continue
            ref = ObjectRef(api_version, kind, obj["metadata"]["name"], namespace)
            if ref in ours or _is_required(ref, snapshot):
                continue
            found.append(_finding("template-unclaimed", str(ref), "no policy claims it: it runs nowhere"))
    return found


def _is_looked_for(template: Object) -> bool:
    kind = kind_of(template)
    return kind != NAMESPACE and bool(kind == DEFINITION or template["metadata"].get("namespace"))


def _is_required(ref: ObjectRef, snapshot: Snapshot) -> bool:
    """Return whether Karmada propagates an object as the dependency of another template (propagateDeps)."""
    binding = snapshot.bindings.get(binding_ref(ref))
    return isinstance(binding, ResourceBinding) and bool(binding.spec.required_by)


def _where(template: Object) -> tuple[str, str, str]:
    return template["apiVersion"], template["kind"], template["metadata"].get("namespace") or ""


def _finding(rule: str, obj: str, message: str, *, cluster: str = "", time: str = "") -> Finding:
    return Finding(Layer.PROPAGATION, rule, cluster or CONTROL_PLANE, obj, message, time=time, remedy=Remedy.MANUAL)
