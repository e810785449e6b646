"""A workload that Karmada spreads: templates, the policy that places them, and what differs by cluster."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import pulumi

from components.karmada_control_plane import KarmadaControlPlane
from components.kubernetes_object import KubernetesObject
from components.rollout import Rollout
from components.secret_patches import sealed_patches
from flotilla.karmada.propagation import (
    is_cluster_scoped,
    override_policy,
    propagation_policy,
    replica_scheduling,
    template,
)


class PropagatedWorkloadArgs(TypedDict):
    """What runs, and where."""

    control_plane: KarmadaControlPlane
    """The control plane that spreads it."""
    manifests: list[dict[str, Any]]
    """Objects of any kind, as plain dicts."""
    affinity: dict[str, Any]
    """Karmada's ClusterAffinity; an empty one chooses every cluster."""
    members: NotRequired[dict[str, pulumi.Input[dict[str, str]]]]
    """The members that are to run it, by name: `id` is the UID, `unanswered` says why one does not answer, or ''."""
    namespace: NotRequired[str]
    """Namespace, in the control plane and in the members; `default` by default."""
    divided: NotRequired[bool]
    """Divide the replicas over the clusters instead of running all of them in each."""
    weights: NotRequired[dict[str, int]]
    """Static weight by cluster, for divided replicas."""
    override_rules: NotRequired[list[dict[str, Any]]]
    """Karmada's RuleWithCluster objects: what differs, and where."""
    conflict_resolution: NotRequired[str]
    """Abort (the default) or Overwrite, where a member has an object already."""
    timeout: NotRequired[int]
    """Seconds to wait until every chosen cluster is healthy; 300 by default."""


class PropagatedWorkload(pulumi.ComponentResource):
    """Templates with their PropagationPolicy and OverridePolicy, done when every chosen cluster is healthy."""

    templates: list[KubernetesObject]
    """The templates in the control plane."""

    def __init__(self, name: str, args: PropagatedWorkloadArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare a workload. Policies come before templates, so that Karmada never sees one without the other."""
        super().__init__("flotilla:index:PropagatedWorkload", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, provider=args["control_plane"].provider)
        namespace = args.get("namespace", "default")
        manifests = [template(manifest, namespace=namespace) for manifest in args["manifests"]]
        rules = args.get("override_rules") or []
        policies: list[KubernetesObject] = []
        placement: dict[str, Any] = {}
        for scope, group in _by_scope(manifests, namespace):
            suffix = "" if scope else "-cluster"
            policy = propagation_policy(
                name,
                namespace=scope,
                templates=group,
                affinity=args["affinity"],
                scheduling=replica_scheduling(args.get("weights"), divided=args.get("divided", False)),
                conflict_resolution=args.get("conflict_resolution", "Abort"),
            )
            placement = policy["spec"]["placement"]
            policies.append(KubernetesObject(f"{name}{suffix}-policy", policy, child))
            # Declared even where nothing is overridden: rules that fall away are then an update, made before the
            # rollout is waited for. A deletion would come after it, and the rollout would wait for it in vain.
            override = override_policy(name, namespace=scope, templates=group, rules=rules)
            override["spec"]["overrideRules"] = sealed_patches(override["spec"]["overrideRules"], manifests)
            policies.append(KubernetesObject(f"{name}{suffix}-override", override, child))
        after_policies = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=policies))
        self.templates = [
            KubernetesObject(f"{name}-{m['kind'].lower()}-{m['metadata']['name']}", m, after_policies)
            for m in manifests
        ]
        rollout = {
            "kubeconfig": args["control_plane"].kubeconfig,
            "workload": name,
            "templates": _secret_if_needed(manifests),
            "placement": placement,
            "overrideRules": sealed_patches(rules, manifests),
            "controlPlane": args["control_plane"].cluster_id,
            "members": args.get("members") or {},
            "timeout": args.get("timeout", 300),
        }
        Rollout(
            f"{name}-rollout", rollout, pulumi.ResourceOptions(parent=self, depends_on=[*policies, *self.templates])
        )
        self.register_outputs({})


def _by_scope(manifests: list[dict[str, Any]], namespace: str) -> list[tuple[str | None, list[dict[str, Any]]]]:
    """Group templates by the kind of policy that may select them: namespaced, and cluster-wide (None)."""
    namespaced = [m for m in manifests if not is_cluster_scoped(m)]
    cluster_scoped = [m for m in manifests if is_cluster_scoped(m)]
    return [(scope, group) for scope, group in ((namespace, namespaced), (None, cluster_scoped)) if group]


def _secret_if_needed(manifests: list[dict[str, Any]]) -> Any:
    return pulumi.Output.secret(manifests) if any(m["kind"] == "Secret" for m in manifests) else manifests
