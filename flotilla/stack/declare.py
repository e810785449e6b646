"""From a valid fleet to what is declared for it: the plain arguments of components, and what each cluster gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla.karmada.kinds import defined_kinds
from flotilla.karmada.propagation import template
from flotilla.karmada.rendering.policies import Rules, rules_of_all
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import planned_completions
from flotilla.karmada.scheduling import Scheduler, decide, demand_of, divides, first_of
from flotilla.kube.objects import Object
from flotilla.stack.charts import reference
from flotilla.stack.clusters import KindCluster
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import ControlPlane, Fleet, facts
from flotilla.stack.helm import CHART_REPOSITORY, CertificateMode
from flotilla.stack.installation import PLACEHOLDER, certificate_names, release_values
from flotilla.stack.load import parse_fleet
from flotilla.stack.specs import placement_of, rules_for_objects
from flotilla.stack.stackfile import sections_of
from flotilla.workloads.manifests import check_overridden
from flotilla.workloads.objects import manifests_of


def fleet_of_config(
    values: Mapping[str, str], base: Path, manifests: ManifestFiles | None = None, *, as_written: bool = False
) -> Fleet:
    """Return the fleet of the stack that a Pulumi engine runs the program for.

    Inline kubeconfigs are secrets in the configuration; the models keep them as such, and components make them Pulumi
    secrets.

    Args:
        values: by `project:key`, as texts (JSON for objects), decrypted.
        base: the folder that relative paths refer to.
        manifests: where they are read; what reads them later reads none of them again.
        as_written: no value of the workloads was encrypted.

    Raises:
        ConfigError: with all problems.
    """
    return parse_fleet(sections_of(values), base=base, manifests=manifests, as_written=as_written)


def kind_args(cluster: KindCluster) -> dict[str, Any]:
    """Return a KindCluster's arguments."""
    return {"config": cluster.config(), "runtime": cluster.runtime.value, "wait": cluster.wait}


def release_args(control_plane: ControlPlane, base: Path) -> dict[str, Any]:
    """Return a KarmadaControlPlane's `release`, without the host's kubeconfig."""
    helm, version = control_plane.helm, control_plane.release
    if helm is None:
        raise ValueError("this control plane isn't installed by the stack")
    found = reference(helm.chart, base, name="karmada", version=version, repository=CHART_REPOSITORY)
    where: dict[str, Any] = {"chart": found.chart}
    where |= {"chart_version": found.version} if found.version else {}
    where |= {"repository": found.repository} if found.repository else {}
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


def rendered(fleet: Fleet, files: ManifestFiles) -> dict[str, list[Object]]:
    """Return, for each member, the objects that it gets: overrides and replicas applied, in file order.

    Where only Karmada knows which members it chooses, one of the choices that are possible stands for it.

    Raises:
        ValueError: a patch that doesn't fit its template, or that sets another value where a text is wanted.
    """
    result: dict[str, list[Object]] = {member.name: [] for member in fleet.placeable}
    manifests = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    kinds = defined_kinds(manifest for listed in manifests.values() for manifest in listed)
    members = [facts(member) for member in fleet.placeable]
    scheduler = Scheduler.of(fleet.karmada)
    for workload in fleet.workloads:
        placement = placement_of(workload.placement)
        given = workload.given
        templates = [template(manifest, kinds=kinds) for manifest in manifests[workload.name]]
        own = Rules([] if given else rules_for_objects(workload, templates))
        for declared in templates:
            rules = Rules(rules_of_all(given.overrides, [declared])) if given else own
            demand = demand_of(declared, scheduler)
            shares = first_of(decide(members, placement, demand, scheduler=scheduler))
            divided = divides(placement)
            parts = planned_completions(declared, shares, divided=divided, version=scheduler.version)
            for member in members:
                if member.name in shares:
                    share, part = shares[member.name], parts.get(member.name)
                    item = render(
                        declared, member, replicas=share, rules=rules, completions=part, version=scheduler.version
                    )
                    if rules:
                        check_overridden(declared, item, member.name)
                    result[member.name].append(item)
    return result
