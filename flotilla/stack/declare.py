"""From a valid fleet to what is declared for it: the plain arguments of components, and what each cluster gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla.karmada.kinds import defined_kinds
from flotilla.karmada.propagation import override_rule, replica_scheduling, template
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import planned_completions
from flotilla.karmada.scheduling import Scheduler, decide, demand_of, first_of
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object
from flotilla.stack.clusters import KindCluster
from flotilla.stack.files import resolve
from flotilla.stack.fleet import ControlPlane, Fleet, affinity_of, facts, placement_of, tolerations_of
from flotilla.stack.helm import CHART_REPOSITORY, CertificateMode
from flotilla.stack.installation import PLACEHOLDER, certificate_names, release_values
from flotilla.stack.load import parse_fleet
from flotilla.stack.members import Member
from flotilla.stack.stackfile import sections_of
from flotilla.stack.workloads import ReplicaStrategy, Workload
from flotilla.workloads.objects import manifests_of


def fleet_of_config(values: Mapping[str, str], base: Path) -> Fleet:
    """Return the fleet of the stack that a Pulumi engine runs the program for.

    Inline kubeconfigs are secrets in the configuration; the models keep them as such, and components make them Pulumi
    secrets.

    Args:
        values: by `project:key`, as texts (JSON for objects), decrypted.
        base: the folder that relative paths refer to.

    Raises:
        ConfigError: with all problems.
    """
    return parse_fleet(sections_of(values), base=base)


def member_args(member: Member) -> dict[str, Any]:
    """Return a PushMember's arguments, without the control plane, the kubeconfig and the endpoint."""
    return {
        "labels": dict(member.labels),
        "cloud_provider": member.provider or "",
        "region": member.region or "",
        "zones": list(member.zones),
        "taints": [taint.model_dump(mode="json", exclude_defaults=True) for taint in member.taints],
        "ca_bundle": member.ca_bundle or "",
        "insecure_skip_tls_verify": member.insecure_skip_tls_verify,
        "proxy_url": member.proxy_url or "",
        "namespace": member.namespace,
        "create_namespace": member.create_namespace,
        "ready_timeout": member.ready_timeout,
    }


def agent_args(member: Member, version: str) -> dict[str, Any]:
    """Return what a PullMember's arguments have beside a PushMember's."""
    agent = member.agent
    return {
        "karmada_version": version,
        "agent_image": agent.image or "",
        "agent_replicas": agent.replicas,
        "agent_resources": dict(agent.resources),
        "agent_namespace": agent.namespace,
        "create_agent_namespace": agent.create_namespace,
        "control_plane_endpoint": agent.control_plane_endpoint or "",
        "certificate_lifetime_days": agent.lifetime_days,
        "renew_before_days": agent.renew_before_days,
    }


def kind_args(cluster: KindCluster) -> dict[str, Any]:
    """Return a KindCluster's arguments."""
    return {"config": cluster.config(), "runtime": cluster.runtime.value, "wait": cluster.wait}


def release_args(control_plane: ControlPlane, base: Path) -> dict[str, Any]:
    """Return a KarmadaControlPlane's `release`, without the host's kubeconfig."""
    helm, version = control_plane.helm, control_plane.release
    if helm is None:
        raise ValueError("this control plane isn't installed by the stack")
    chart = helm.chart
    where: dict[str, Any] = {"chart": chart.oci or (str(resolve(chart.path, base)) if chart.path else "karmada")}
    if not chart.path:
        where["chart_version"] = chart.version or version
    if not chart.path and not chart.oci:
        where["repository"] = chart.repository or CHART_REPOSITORY
    settings = helm.certificates
    if settings.mode is CertificateMode.CUSTOM:
        where["certificates"] = {
            "names": certificate_names(helm),
            "lifetime_days": settings.lifetime_days,
            "ca_lifetime_days": settings.ca_lifetime_days,
            "renew_before_days": settings.renew_before_days,
            "generation": settings.generation,
        }
    return {
        **where,
        "server": helm.endpoint.url,
        "values": lambda certificates: release_values(helm, version, certificates or PLACEHOLDER),
        "create_namespace": helm.create_namespace,
        "timeout": helm.timeout,
    }


def workload_args(workload: Workload, base: Path) -> dict[str, Any]:
    """Return a PropagatedWorkload's arguments, without the control plane."""
    return {
        "manifests": manifests_of(workload, base),
        "affinity": affinity_of(workload.placement),
        "tolerations": tolerations_of(workload.placement),
        "namespace": workload.namespace,
        "divided": workload.placement.replicas is ReplicaStrategy.DIVIDED,
        "weights": dict(workload.placement.weights),
        "override_rules": override_rules(workload),
        "conflict_resolution": workload.conflict_resolution.value,
        "timeout": workload.timeout,
        **({"formerly": workload.formerly} if workload.formerly else {}),
    }


def override_rules(workload: Workload) -> list[Object]:
    """Return a workload's overrides as Karmada's RuleWithCluster objects."""
    return [
        override_rule(
            list(override.clusters),
            container=override.container or workload.object_name,
            image=override.image.model_dump(exclude_none=True) if override.image else None,
            command=list(override.command),
            args=list(override.args),
            labels=dict(override.labels),
            annotations=dict(override.annotations),
            patches=[patch.model_dump(mode="json") for patch in override.patches],
        )
        for override in workload.overrides
    ]


def rendered(fleet: Fleet, base: Path) -> dict[str, list[Object]]:
    """Return, for each member, the objects that it gets: overrides and replicas applied, in file order.

    Where only Karmada knows which members it chooses, one of the choices that are possible stands for it.

    Raises:
        ValueError: a patch that doesn't fit its template.
    """
    result: dict[str, list[Object]] = {member.name: [] for member in fleet.placeable}
    manifests = {workload.name: manifests_of(workload, base) for workload in fleet.workloads}
    kinds = defined_kinds(manifest for listed in manifests.values() for manifest in listed)
    members = [facts(member) for member in fleet.placeable]
    release = fleet.control_plane.release
    scheduler = Scheduler(Version.parse(release)) if release else Scheduler()
    for workload in fleet.workloads:
        placement = placement_of(workload.placement)
        placement["replicaScheduling"] = replica_scheduling(
            dict(workload.placement.weights), divided=workload.placement.replicas is ReplicaStrategy.DIVIDED
        ).wire()
        rules = override_rules(workload)
        for manifest in manifests[workload.name]:
            declared = template(manifest, namespace=workload.namespace, kinds=kinds)
            demand = demand_of(declared, scheduler)
            shares = first_of(decide(members, placement, demand, scheduler=scheduler))
            divided = workload.placement.replicas is ReplicaStrategy.DIVIDED
            parts = planned_completions(declared, shares, divided=divided, version=scheduler.version)
            for member in members:
                if member.name in shares:
                    share, part = shares[member.name], parts.get(member.name)
                    result[member.name].append(render(declared, member, replicas=share, rules=rules, completions=part))
    return result
