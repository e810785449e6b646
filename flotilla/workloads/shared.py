"""Checks, before a plan, whether objects that several workloads need go to all clusters in which these run.

Karmada doesn't check this: a pod whose ConfigMap isn't in its cluster waits there forever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flotilla.karmada.dependencies import Reference, Sender, following, references_of
from flotilla.karmada.kinds import Identity, identity, kind_of
from flotilla.karmada.scheduling import Certain, Scheduler, decide, demand_of
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet, facts
from flotilla.stack.problems import at
from flotilla.stack.specs import placement_of
from flotilla.stack.workloads import Workload
from flotilla.workloads.control_plane import control_plane_of
from flotilla.workloads.objects import manifests_of

_EVERYWHERE = frozenset({("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")})
"""Objects that Kubernetes creates in every namespace."""
_SECRET = ("", "Secret")
_MAKERS = {
    ("external-secrets.io", "ExternalSecret"): ("spec", "target", "name"),
    ("bitnami.com", "SealedSecret"): ("metadata", "name"),
    ("cert-manager.io", "Certificate"): ("spec", "secretName"),
}
"""Kinds whose controllers create a Secret in the members, with the path of its name; by default the object's name."""


@dataclass(frozen=True)
class _Places:
    """The clusters of a template: those in which it certainly is, and those in which it may be."""

    certain: frozenset[str] = frozenset()
    possible: frozenset[str] = frozenset()

    @property
    def all(self) -> frozenset[str]:
        return self.certain | self.possible

    def __or__(self, other: _Places) -> _Places:
        certain = self.certain | other.certain
        return _Places(certain, (self.possible | other.possible) - certain)


@dataclass(frozen=True)
class _Placed:
    """A template of a workload, with its namespace."""

    workload: Workload
    template: Object
    places: _Places
    references: tuple[Reference, ...]


@dataclass
class _Known:
    """The objects that the stack's workloads declare, by group, kind, namespace and name."""

    owners: dict[Identity, str] = field(default_factory=dict)
    """The workload of each object; empty for an object of the control plane itself (`flotilla:objects`)."""
    places: dict[Identity, _Places] = field(default_factory=dict)
    """The clusters of each object: by its own placement, and because it follows others."""


def shared_notices(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return a line for each object that a workload uses but that doesn't go to all of the workload's clusters.

    Objects of the same workload are fine: they have the same placement. Uncertain cases are not reported.

    Raises:
        ConfigError: a manifest can't be read.
    """
    placed = list(_placed(fleet, files))
    own = [one.identity for one in control_plane_of(fleet, files).objects]
    known = _known(placed, own, fleet.karmada or SUPPORTED.newest)
    return [line for workload in fleet.workloads for line in _lines(workload, placed, known)]


def _placed(fleet: Fleet, files: ManifestFiles) -> Iterator[_Placed]:
    """Yield the templates that use others or may be used, with their clusters."""
    version = fleet.karmada or SUPPORTED.newest
    listed = [
        (workload, template, references_of(template, version) or ())
        for workload in fleet.workloads
        for template in manifests_of(workload, files)
    ]
    used = {_key(reference) for _, _, references in listed for reference in references}
    for workload, template, references in listed:
        if references or not used.isdisjoint([identity(template), *_made(template)]):
            yield _Placed(workload, template, _places(fleet, workload, template), references)


def _places(fleet: Fleet, workload: Workload, template: Object) -> _Places:
    if workload.given and workload.given.follows(template):
        return _Places()  # no policy sends it: it goes to the clusters of the objects that it follows
    clusters = [facts(member) for member in fleet.placeable]
    scheduler = Scheduler.of(fleet.karmada)
    try:
        demand = demand_of(template, scheduler or Scheduler())
        decision = decide(clusters, placement_of(workload.placement), demand, scheduler=scheduler)
    except ValueError:  # an invalid quantity: the API server refuses it, with the reason
        return _Places(possible=frozenset(one.name for one in clusters))
    if isinstance(decision, Certain):
        return _Places(frozenset(name for name, replicas in decision.shares.items() if replicas != 0))
    least = {name for name, (low, _) in decision.candidates.items() if low}
    return _Places(frozenset(least), frozenset(decision.candidates) - least)


def _known(placed: Sequence[_Placed], own: Iterable[Identity], version: Version) -> _Known:
    """Return the declared objects with their clusters; `own` are those declared for the control plane itself."""
    known = _Known(dict.fromkeys(own, ""), dict.fromkeys(own, _Places()))
    for one in placed:
        for key in (identity(one.template), *_made(one.template)):
            known.owners.setdefault(key, one.workload.name)
            known.places[key] = known.places.get(key, _Places()) | one.places
    senders = [
        Sender(ref_of(one.template), one.references, one.places.certain, one.places.possible)
        for one in placed
        if one.workload.sends_dependencies
    ]
    for follower in following(senders, version):
        key = _key(follower.reference)
        if key in known.places:
            known.places[key] |= _Places(frozenset(follower.clusters), frozenset(follower.possible))
    return known


def _made(template: Object) -> Iterator[Identity]:
    """Yield the Secret that a controller creates from an object."""
    path = _MAKERS.get(kind_of(template))
    if path is not None:
        metadata = template["metadata"]
        yield *_SECRET, str(metadata.get("namespace") or ""), str(at(template, path) or metadata["name"])


def _key(reference: Reference) -> Identity:
    return identity({"apiVersion": reference.api_version, "kind": reference.kind, "metadata": _meta(reference.ref)})


def _meta(ref: ObjectRef) -> Object:
    return {"name": ref.name, "namespace": ref.namespace}


@dataclass(frozen=True)
class _Use:
    """An object that a workload's templates use, with the clusters of those templates."""

    reference: Reference
    places: _Places


def _lines(workload: Workload, placed: Iterable[_Placed], known: _Known) -> Iterator[str]:
    undeclared: list[_Use] = []
    for use in _uses(one for one in placed if one.workload is workload):
        key = _key(use.reference)
        owner = known.owners.get(key)
        if owner is None:
            undeclared.append(use)
        elif owner != workload.name:
            yield from _lacking(workload.name, owner, use, known.places[key])
    if undeclared:
        yield _undeclared(workload, undeclared)


def _uses(placed: Iterable[_Placed]) -> list[_Use]:
    """Return the objects that a workload's templates need, each once, without those that every namespace has."""
    found: dict[Reference, _Use] = {}
    for one in placed:
        for reference in one.references:
            if not reference.name or (reference.kind, reference.name) in _EVERYWHERE or reference.kind == "Service":
                continue
            use = found.get(reference, _Use(reference, _Places()))
            both = replace(reference, optional=reference.optional and use.reference.optional)
            found[reference] = _Use(both, use.places | one.places)
    return [found[reference] for reference in sorted(found) if not found[reference].reference.optional]


def _lacking(workload: str, owner: str, use: _Use, there: _Places) -> Iterator[str]:
    """Yield a line for each cluster of a workload to which an object of another workload doesn't go."""
    for cluster in sorted(use.places.all - there.all):
        runs = "" if cluster in use.places.certain else f", where {workload} may run"
        whose = f"of workload {owner}" if owner else "of the control plane (`flotilla:objects`)"
        either = f"add the cluster to {owner}'s placement, or " if owner else ""
        yield (
            f"workload {workload} uses {use.reference} {whose}, which doesn't go to {cluster}{runs}: {either}set "
            f"`dependencies: true` for {workload}"
        )


def _undeclared(workload: Workload, uses: list[_Use]) -> str:
    listed = ", ".join(str(use.reference) for use in uses)
    clusters = sorted({cluster for use in uses for cluster in use.places.all})
    where = f"in {', '.join(clusters)} already" if clusters else "where it runs"
    either = "in the control plane, from where it follows, or " if workload.sends_dependencies else ""
    it = "it has" if len(uses) == 1 else "they have"
    return (
        f"workload {workload.name} uses {listed}, which no workload of this stack declares: {it} to exist "
        f"{either}{where}"
    )
