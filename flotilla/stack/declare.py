"""Turns a valid fleet into what is declared for it: arguments of components, and the objects that each cluster gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.kinds import defined_kinds
from flotilla.karmada.propagation import template
from flotilla.karmada.rendering.policies import Rules, rules_of_all
from flotilla.karmada.rendering.render import render
from flotilla.karmada.rendering.replicas import planned_completions
from flotilla.karmada.scheduling import ClusterFacts, Scheduler, decide, demand_of, divides, first_of
from flotilla.kube.objects import Object, ref_of
from flotilla.stack.charts import reference
from flotilla.stack.clusters import KindCluster
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import ControlPlane, Fleet, facts
from flotilla.stack.given import GivenPolicies
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
    """Return the fleet of the stack for which a Pulumi engine runs the program.

    Inline kubeconfigs are secrets in the configuration; the models keep them as such, and components make them Pulumi
    secrets.

    Args:
        values: by `project:key`, as strings (JSON for objects), decrypted.
        base: the folder to which relative paths refer.
        manifests: the reader of manifests; it keeps what it has read, so that nothing is read twice.
        as_written: no value of the workloads was encrypted.

    Raises:
        ConfigError: the fleet is invalid; the error has all problems.
    """
    return parse_fleet(sections_of(values), base=base, manifests=manifests, as_written=as_written)


def kind_args(cluster: KindCluster) -> dict[str, Any]:
    """Return the arguments of a KindCluster."""
    return {"config": cluster.config(), "runtime": cluster.runtime.value, "wait": cluster.wait}


def release_args(control_plane: ControlPlane, base: Path) -> dict[str, Any]:
    """Return the argument `release` of a KarmadaControlPlane, without the host's kubeconfig."""
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
    """Return, for each member, the objects that it gets, with overrides and replicas applied, in the order of the file.

    Where only Karmada knows which members it will choose, this function takes one of the possible choices.

    Raises:
        ValueError: a patch doesn't fit its template, or sets another type where a string is required.
    """
    manifests = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    kinds = defined_kinds(manifest for listed in manifests.values() for manifest in listed)
    found = _Rendered([facts(member) for member in fleet.placeable], Scheduler.of(fleet.karmada))
    for workload in fleet.workloads:
        given = workload.given
        templates = [template(manifest, kinds=kinds) for manifest in manifests[workload.name]]
        own = Rules([] if given else rules_for_objects(workload, templates))
        sent = [(one, _rules(given, one, own)) for one in templates if not (given and given.follows(one))]
        placed = [(one, found.send(one, rules, placement_of(workload.placement))) for one, rules in sent]
        for follower in given.followers if given else ():
            declared = template(follower, kinds=kinds)
            users = [clusters for user, clusters in placed if refers_to(user, declared, found.scheduler.version)]
            found.follow(declared, _rules(given, declared, own), set[str]().union(*users))
    return found.objects


def _rules(given: GivenPolicies | None, declared: Object, own: Rules) -> Rules:
    return Rules(rules_of_all(given.overrides, [declared])) if given else own


class _Rendered:
    """The objects that each member gets."""

    def __init__(self, members: list[ClusterFacts], scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.objects: dict[str, list[Object]] = {member.name: [] for member in members}
        self._members = members

    def send(self, declared: Object, rules: Rules, placement: Object) -> set[str]:
        """Add a template for the members that its placement chooses, and return the names of these members."""
        version = self.scheduler.version
        demand = demand_of(declared, self.scheduler)
        shares = first_of(decide(self._members, placement, demand, scheduler=self.scheduler))
        parts = planned_completions(declared, shares, divided=divides(placement), version=version)
        for member in self._members:
            if member.name in shares:
                self._add(declared, member, rules, shares[member.name], parts.get(member.name))
        return set(shares)

    def follow(self, declared: Object, rules: Rules, clusters: set[str]) -> None:
        """Add an object for the members that have the objects it follows; several parts of a workload may use it."""
        for member in self._members:
            if member.name in clusters and ref_of(declared) not in map(ref_of, self.objects[member.name]):
                self._add(declared, member, rules, None, None)

    def _add(
        self, declared: Object, member: ClusterFacts, rules: Rules, replicas: int | None, completions: int | None
    ) -> None:
        item = render(
            declared, member, replicas=replicas, rules=rules, completions=completions, version=self.scheduler.version
        )
        if rules:
            check_overridden(declared, item, member.name)
        self.objects[member.name].append(item)
