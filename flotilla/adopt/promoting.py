"""Turns objects that run in one member, without Karmada, into workloads (like `karmadactl promote`, for many objects).

The objects of a namespace become one workload, with a placement on that member. Objects that others in the cluster may
need too (the Namespace, definitions, RBAC objects, priority classes) become a separate workload, which stays in the
members when it is removed from the stack.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from flotilla.adopt.choosing import Undeclared, Why, claimed, others, releases, report_undeclared, why_undeclared
from flotilla.adopt.model import Finding, Report, Seal, Selection
from flotilla.adopt.names import Names, file_names, label_of
from flotilla.adopt.needed import cluster_scoped, report_around, with_needed
from flotilla.adopt.running import Running
from flotilla.adopt.secrets import is_secret, sealed
from flotilla.adopt.workloads import MOST_FILES, Draft
from flotilla.adopt.written import as_written
from flotilla.karmada.kinds import SKIP_PROPAGATION, Identity, identity, is_built_in, kind_of
from flotilla.karmada.rendering.replicas import RETAIN_LABEL
from flotilla.karmada.rendering.upkeep import scales
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.kube.objects import Object, ref_of

Keys = dict[str, Any]
Existing = Callable[[Iterable[Object]], frozenset[Identity]]
"""Returns which of some objects already exist, under the same name, in the control plane or in the stack."""

_DEFAULT = "default"
_NAME_LABEL = "kubernetes.io/metadata.name"
_SHOWN = 5
_KEEPS = Version(1, 12)
"""The version since which Karmada can leave the copies of a removed workload in the members."""


@dataclass(frozen=True)
class Named:
    """An object that the user named."""

    kind: str
    """The kind, in any form that users write: `Deployment`, `deployments`, `widgets.example.com`."""
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True)
class Promotion:
    """The part of a member that the stack takes over, and how."""

    member: str
    folder: str
    """The folder of the stack's manifests, relative to the project."""
    selection: Selection
    """The selection by namespace and labels."""
    named: tuple[Named, ...] = ()
    """Objects by name; with any, other objects are included only if these need them."""
    workload: str = ""
    """The workload's name, if the user gives it."""
    taken: frozenset[str] = frozenset()
    """Names of the stack's existing workloads."""
    version: str = ""
    """Karmada's version; empty where it isn't known."""
    stated: bool = True
    """The stack gives that version; only then may the workloads use what older versions lack."""
    seal: Seal | None = None

    @property
    def namespaces(self) -> list[str]:
        """The namespaces to read."""
        return list(dict.fromkeys([*sorted(self.selection.namespaces), *(one.namespace for one in self.named)]))

    @property
    def karmada(self) -> Version:
        """Karmada's version; the newest where it isn't known."""
        return known_version(self.version) or SUPPORTED.newest


@dataclass
class _Parts:
    """The objects to declare."""

    own: list[Object] = field(default_factory=list)
    shared: list[Object] = field(default_factory=list)


def missing(promotion: Promotion, running: Running) -> list[str]:
    """Return what the user has named but the member doesn't have."""
    found = [f"namespace {one}" for one in promotion.namespaces if one not in running.namespaces]
    return found or [str(one) for one in promotion.named if not any(_is(one, obj, running) for obj in running.objects)]


def promoted(running: Running, there: Existing, promotion: Promotion, report: Report) -> tuple[Draft, ...]:
    """Return the workloads that declare what runs in a member; the report names everything that they don't declare.

    Args:
        running: the member's objects.
        there: returns the objects with which templates would collide.
        promotion: the part to declare, and how.
        report: gets what is left out, and what looks wrong.
    """
    report.left_out += running.unread
    parts = _chosen(running, there, promotion, report)
    report.notes += releases(parts.own)
    report.findings += others([*parts.own, *parts.shared])
    report_around(parts.own, report)
    names = Names(promotion.taken)
    drafts = []
    for namespace in dict.fromkeys(str(one["metadata"]["namespace"]) for one in parts.own):
        listed = [one for one in parts.own if one["metadata"]["namespace"] == namespace]
        name = names.take(*_names(namespace, promotion))
        draft = _draft(name, namespace, listed, promotion, report, running)
        drafts += [draft] if draft else []
    if drafts and parts.shared:
        name = names.take(f"{drafts[0].name if len(drafts) == 1 else promotion.member}-shared")
        drafts.insert(0, _shared(name, parts.shared, promotion, report))
    return tuple(drafts)


def _names(namespace: str, promotion: Promotion) -> list[str]:
    if promotion.workload:
        return [promotion.workload, label_of(f"{promotion.workload}-{namespace}")]
    if len(promotion.named) == 1:
        return [label_of(promotion.named[0].name), label_of(f"{namespace}-{promotion.named[0].name}")]
    return [label_of(namespace), label_of(f"{namespace}-{promotion.member}")]


# -- what is declared -------------------------------------------------------------------------------------------------


def _chosen(running: Running, there: Existing, promotion: Promotion, report: Report) -> _Parts:
    claims = claimed(running.objects)
    written: list[Object] = []
    passed: list[tuple[Object, Undeclared]] = []
    meant: list[Object] = []
    sent: set[Identity] = set()
    for obj in sorted(running.objects, key=ref_of):
        named = any(_is(one, obj, running) for one in promotion.named)
        why = why_undeclared(obj, claims, named=named) or _unserved(obj, running)
        wanted = named if promotion.named else promotion.selection.has_object(obj)
        if why is None:
            written.append(obj)
            meant += [obj] if wanted else []
        elif wanted:
            passed.append((obj, why))
        if why is not None and why.many is Why.SENT:
            sent.add(identity(obj))
    report_undeclared(passed, report)
    own = with_needed(meant, written, sent, promotion.karmada, report)
    shared = cluster_scoped(own, running, report)
    spaces = [running.namespaces[name] for name in dict.fromkeys(str(o["metadata"]["namespace"]) for o in own)]
    shared = [*(one for one in spaces if one["metadata"]["name"] != _DEFAULT), *shared]
    known = there([*own, *shared])
    shared = [one for one in shared if why_undeclared(one, claims) is None and identity(one) not in known]
    for one in own:
        if identity(one) in known:
            report.leave_out(str(ref_of(one)), "the control plane or the stack already has an object of this name")
    return _Parts([one for one in own if identity(one) not in known], shared)


def _is(named: Named, obj: Object, running: Running) -> bool:
    meta = obj["metadata"]
    if (meta.get("namespace"), meta["name"]) != (named.namespace, named.name):
        return False
    word, _, group = named.kind.lower().partition(".")
    kind = kind_of(obj)
    return word in running.kinds.get(kind, (kind[1].lower(),)) and group in ("", kind[0])


def _unserved(obj: Object, running: Running) -> Undeclared | None:
    """Return why the control plane can't accept an object."""
    kind = kind_of(obj)
    if kind in running.other_versions:
        return Undeclared("the control plane prefers a version of its kind that the member doesn't have")
    if kind not in running.unserved:
        return None
    definition = running.definitions.get(kind)
    if definition is None or is_built_in(kind[0]):
        return Undeclared("the control plane doesn't serve its kind")
    if ((definition["spec"].get("conversion") or {}).get("strategy")) == "Webhook":
        return Undeclared(
            "the control plane doesn't serve its kind, and its definition needs a webhook to convert versions"
        )
    return None


# -- workloads --------------------------------------------------------------------------------------------------------


def _draft(
    name: str, namespace: str, objects: list[Object], promotion: Promotion, report: Report, running: Running
) -> Draft | None:
    found = sealed([one for one in objects if is_secret(one)], namespace, promotion.seal, report)
    manifests = [_retaining(as_written(one), running, report) for one in objects if not is_secret(one)]
    if not manifests:
        for one in found.templates:
            report.leave_out(str(ref_of(one)), "a workload needs a manifest beside its `secrets`, but it has none")
        return None
    for one in manifests:
        if kind_of(one) == ("", "PersistentVolumeClaim"):
            report.notes.append(f"{ref_of(one)}: another cluster gets an empty volume; the data of this one stays here")
    return Draft(
        name,
        namespace,
        f"{promotion.folder}/{name}",
        _files(manifests),
        {},
        found.keys,
        {"placement": {"clusters": [promotion.member]}, "conflictResolution": "Overwrite"},
    )


def _shared(name: str, objects: list[Object], promotion: Promotion, report: Report) -> Draft:
    keys: Keys = {"placement": {"clusters": [promotion.member]}, "conflictResolution": "Overwrite"}
    listed = ", ".join(str(ref_of(one)) for one in objects[:_SHOWN]) + (", ..." if len(objects) > _SHOWN else "")
    if promotion.stated and promotion.karmada >= _KEEPS:
        keys["onRemoval"] = "keep"
        report.notes.append(
            f"workload {name}: {listed}: others may need it, so it stays when it is removed from the stack"
        )
    else:
        why = (
            f"Karmada before {_KEEPS} can't keep it"
            if promotion.karmada < _KEEPS
            else "the stack's controlPlane has no `version`: add it, and add `onRemoval: keep` to the workload"
        )
        message = (
            f"others may need it, but it is deleted in the members when the workload is removed, a Namespace with "
            f"everything in it, a definition with every object of its kind; {why}"
        )
        report.findings.append(Finding("deleted-with-the-stack", f"workload {name}", f"{listed}: {message}"))
    manifests = [_by_policy(as_written(one)) for one in objects]
    return Draft(name, _DEFAULT, f"{promotion.folder}/{name}", _files(manifests), {}, [], keys)


def _files(manifests: list[Object]) -> dict[str, list[Object]]:
    return dict(sorted(file_names(manifests, most=MOST_FILES).items()))


def _by_policy(obj: Object) -> Object:
    """Return a Namespace with the label by which it follows its workload's placement; other objects unchanged.

    Karmada sends a Namespace without the label to every member, and takes over none that a member has.
    """
    if kind_of(obj) != ("", "Namespace"):
        return obj
    labels = {key: value for key, value in (obj["metadata"].get("labels") or {}).items() if key != _NAME_LABEL}
    return _labelled({**obj, "metadata": {**obj["metadata"], "labels": labels}}, SKIP_PROPAGATION)


def _retaining(obj: Object, running: Running, report: Report) -> Object:
    """Return a Deployment with the label that leaves its replicas to an autoscaler of the member, if it has one."""
    scalers = [str(ref_of(one)) for one in running.objects if scales(one, obj)]
    if not scalers:
        return obj
    if kind_of(obj) != ("apps", "Deployment"):
        message = (
            f"{scalers[0]} sets its replicas, and Karmada resets them: only for Deployments can it leave them alone"
        )
        report.findings.append(Finding("two-owners", str(ref_of(obj)), message))
        return obj
    report.notes.append(
        f"{ref_of(obj)}: {scalers[0]} sets its replicas: it has the label by which Karmada leaves them alone, and the "
        "number in its manifest is only the initial one in another cluster"
    )
    return _labelled(obj, RETAIN_LABEL)


def _labelled(obj: Object, key: str) -> Object:
    meta = obj["metadata"]
    labels = {**(meta.get("labels") or {}), key: "true"}
    named = {name: meta[name] for name in ("name", "namespace") if name in meta}
    return {
        **obj,
        "metadata": {**named, "labels": labels, **{k: v for k, v in meta.items() if k not in (*named, "labels")}},
    }
