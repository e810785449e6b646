"""From a valid fleet to what is declared for it: the plain arguments of components, and what each cluster gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flotilla.config.clusters import KindCluster
from flotilla.config.files import read_manifests, resolve
from flotilla.config.fleet import ControlPlane, Fleet, affinity_of, facts
from flotilla.config.helm import CHART_REPOSITORY, CertificateMode
from flotilla.config.installation import PLACEHOLDER, certificate_names, release_values
from flotilla.config.load import SECTIONS, TEXTS, parse_fleet
from flotilla.config.members import Member
from flotilla.config.workloads import ReplicaStrategy, Workload
from flotilla.karmada.propagation import deployment, override_rule, replica_scheduling, template
from flotilla.karmada.render import render, shares
from flotilla.kube.objects import Object


def fleet_of_config(value_of: Callable[[str], str | None], base: Path) -> Fleet:
    """Return the fleet of the stack that a Pulumi engine runs the program for.

    Inline kubeconfigs are secrets in the configuration; the models keep them as such, and components make them Pulumi
    secrets.

    Args:
        value_of: returns a key's value as text (JSON for objects), decrypted; None where it isn't set.
        base: the folder that relative paths refer to.

    Raises:
        ConfigError: with all problems.
    """
    values = {key: value_of(key) for key in SECTIONS}
    given = {key: value for key, value in values.items() if value is not None}
    sections = {key: text if key in TEXTS else json.loads(text) for key, text in given.items()}
    return parse_fleet(sections, base=base)


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
        "namespace": workload.namespace,
        "divided": workload.placement.replicas is ReplicaStrategy.DIVIDED,
        "weights": dict(workload.placement.weights),
        "override_rules": override_rules(workload),
        "conflict_resolution": workload.conflict_resolution.value,
        "timeout": workload.timeout,
    }


def manifests_of(workload: Workload, base: Path) -> list[Object]:
    """Return the objects that a workload declares: its manifests, or its short form's Deployment."""
    if workload.manifests:
        return read_manifests(workload, base)
    return [
        deployment(
            workload.name,
            namespace=workload.namespace,
            image=workload.image or "",
            replicas=1 if workload.replicas is None else workload.replicas,
            ports=list(workload.ports),
            env=dict(workload.env),
            resources=workload.resources.model_dump(exclude_defaults=True) if workload.resources else None,
            labels=dict(workload.labels),
        )
    ]


def override_rules(workload: Workload) -> list[Object]:
    """Return a workload's overrides as Karmada's RuleWithCluster objects."""
    return [
        override_rule(
            list(override.clusters),
            container=override.container or workload.name,
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

    Raises:
        ValueError: a patch that doesn't fit its template.
    """
    result: dict[str, list[Object]] = {member.name: [] for member in fleet.placeable}
    for workload in fleet.workloads:
        chosen = fleet.chosen(workload.placement)
        scheduling = replica_scheduling(
            dict(workload.placement.weights), divided=workload.placement.replicas is ReplicaStrategy.DIVIDED
        ).model_dump(by_alias=True, exclude_none=True)
        for manifest in manifests_of(workload, base):
            declared = template(manifest, namespace=workload.namespace)
            replicas = shares(declared, [member.name for member in chosen], scheduling)
            for member in chosen:
                if member.name in replicas:
                    result[member.name].append(
                        render(declared, facts(member), replicas=replicas[member.name], rules=override_rules(workload))
                    )
    return result
