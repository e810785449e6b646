"""Finds outdated divisions of replicas: Karmada would divide differently now, so an adopting `up` would not finish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from flotilla.adopt.model import Finding, Found
from flotilla.karmada.scheduling import (
    Current,
    Scheduler,
    allows,
    decide,
    demand_of_binding,
    divides,
    facts_of,
    first_of,
)
from flotilla.karmada.scheduling.facts import Shares
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of


def stale_divisions(found: Found, adopted: Iterable[Object], version: Version | None) -> Iterator[Finding]:
    """Yield a finding for each template whose replicas Karmada would divide differently now.

    Karmada divides once, and again only when replicas or the placement change: a member that was not Ready at that time
    stays without a share. Uncertain cases are not reported.

    Args:
        found: the existing fleet.
        adopted: the templates to adopt.
        version: Karmada's version; None (not known) gives no findings.
    """
    if version is None:
        return
    clusters = [facts_of(cluster) for cluster in found.clusters]
    bindings = {_key((one.get("spec") or {}).get("resource") or {}): one for one in found.bindings}
    for template in adopted:
        metadata = template["metadata"]
        binding = bindings.get(_key({**metadata, "kind": template["kind"], "apiVersion": template["apiVersion"]}))
        spec: Object = (binding or {}).get("spec") or {}
        placement: Object = spec.get("placement") or {}
        shares = {str(one["name"]): one.get("replicas") for one in spec.get("clusters") or []}
        if not shares or not divides(placement) or placement.get("clusterAffinities") or spec.get("suspension"):
            continue
        current, scheduler = Current(shares), Scheduler(version)
        decision = decide(clusters, placement, demand_of_binding(spec), current=current, scheduler=scheduler)
        if not allows(decision, shares):
            message = (
                f"Karmada has divided it as {_text(shares)}, and would divide it as {_text(first_of(decision))} now; "
                "it divides again only when replicas or placement change, and `up --adopt` would wait for that: apply "
                "a WorkloadRebalancer for it first"
            )
            yield Finding("division-outdated", str(ref_of(template)), message)


def _key(resource: Object) -> tuple[str, ...]:
    return tuple(str(resource.get(part) or "") for part in ("apiVersion", "kind", "namespace", "name"))


def _text(shares: Shares) -> str:
    return ", ".join(f"{name} {count or 0}" for name, count in sorted(shares.items())) or "nothing"
