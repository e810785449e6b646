"""Separates the objects of a member that users wrote from those that controllers, Karmada and other tools made."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from flotilla.adopt.model import Finding, Report
from flotilla.counts import counted
from flotilla.karmada.kinds import kind_of
from flotilla.karmada.rendering.marks import MANAGED
from flotilla.karmada.rendering.traveling import TOKEN_TYPE
from flotilla.karmada.unspread import meant_to_spread
from flotilla.kube.objects import Object, is_true, ref_of

_RELEASE = "helm.sh/release.v1"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_CERTIFICATE = "cert-manager.io/certificate-name"
_HELM = "meta.helm.sh/release-name"
# Istio and OpenShift write these into every namespace, as Kubernetes does kube-root-ca.crt.
_IN_EVERY_NAMESPACE = frozenset({"istio-ca-root-cert", "openshift-service-ca.crt"})
_OTHERS = (
    ("labels", "argocd.argoproj.io/instance", "Argo CD", "the application {}"),
    ("annotations", "argocd.argoproj.io/tracking-id", "Argo CD", "{}"),
    ("labels", "kustomize.toolkit.fluxcd.io/name", "Flux", "the Kustomization {}"),
    ("labels", "helm.toolkit.fluxcd.io/name", "Flux", "the HelmRelease {}"),
)
"""Marks of objects that show that another controller applies them continuously."""


class Why(StrEnum):
    """Reasons why an object isn't declared, for reasons that many objects of a kind share."""

    OWNED = "made by the objects that own them"
    SENT = "Karmada sends them there: they are adopted from the control plane"
    CLAIMED = "made by a StatefulSet, from its volumeClaimTemplates"


@dataclass(frozen=True)
class Undeclared:
    """The reason why an object isn't declared."""

    why: str = ""
    """Empty: the object isn't reported, because every namespace has it."""
    many: Why | None = None
    """The reason where objects are counted by kind, instead of being named."""


def why_undeclared(obj: Object, claims: frozenset[str], *, named: bool = False) -> Undeclared | None:
    """Return why an object of a member isn't declared; None where a user wrote it.

    Args:
        obj: the object, as the API server returns it.
        claims: the result of `claimed` for its namespace.
        named: the user has named the object.
    """
    meta, kind = obj["metadata"], kind_of(obj)
    if (meta.get("labels") or {}).get(MANAGED) == "true":
        return Undeclared(many=Why.SENT)
    if meta.get("ownerReferences"):
        return Undeclared(many=Why.OWNED)
    if meta.get("deletionTimestamp"):
        return Undeclared("it is being deleted")
    if kind == ("", "PersistentVolumeClaim") and any(re.fullmatch(one, str(meta["name"])) for one in claims):
        return Undeclared(many=Why.CLAIMED)
    if kind == ("", "ServiceAccount") and meta["name"] == "default":
        pulls = [str(one.get("name")) for one in obj.get("imagePullSecrets") or []]
        why = f"every namespace has its own: name its imagePullSecrets ({', '.join(pulls)}) in the pods"
        return Undeclared(why if pulls else "")
    if not meant_to_spread(obj) or _in_every_namespace(obj):
        return Undeclared()
    return _by_kind(obj, named=named)


def _in_every_namespace(obj: Object) -> bool:
    name = str(obj["metadata"]["name"])
    if kind_of(obj)[0] == "rbac.authorization.k8s.io":
        return name.startswith("system:")
    return (kind_of(obj) == ("", "ConfigMap") and name in _IN_EVERY_NAMESPACE) or is_release(obj)


def _by_kind(obj: Object, *, named: bool) -> Undeclared | None:
    annotations = obj["metadata"].get("annotations") or {}
    match kind_of(obj):
        case ("", "Secret") if obj.get("type") == TOKEN_TYPE:
            return Undeclared("a token of this cluster: the token controller fills it")
        case ("", "Secret") if annotations.get(_CERTIFICATE):
            return Undeclared(f"cert-manager writes it for Certificate {annotations[_CERTIFICATE]}")
        case ("", "ConfigMap") if annotations.get(_LEADER):
            return Undeclared("the lock of a leader election")
        case ("", "Pod") if not named:
            return Undeclared(
                "a Pod without a controller, which nothing would replace: name it with --object to declare it"
            )
        case ("batch", "Job") if not named and (is_true(obj, "Complete") or is_true(obj, "Failed")):
            return Undeclared(
                "it has finished; in another cluster it would run again: name it with --object to declare it"
            )
    return None


def claimed(objects: Iterable[Object]) -> frozenset[str]:
    """Return patterns for the names of the claims of StatefulSets: TEMPLATE-SET-NUMBER."""
    return frozenset(
        rf"{re.escape(str((one.get('metadata') or {}).get('name')))}-{re.escape(str(obj['metadata']['name']))}-\d+"
        for obj in objects
        if kind_of(obj) == ("apps", "StatefulSet")
        for one in (obj.get("spec") or {}).get("volumeClaimTemplates") or []
    )


def report_undeclared(found: Iterable[tuple[Object, Undeclared]], report: Report) -> None:
    """Report objects that aren't declared: by name, or as a number where a reason applies to many of a kind."""
    counts: Counter[tuple[str, str, Why]] = Counter()
    for obj, one in found:
        if one.many:
            counts[str(obj["kind"]), str(obj["metadata"].get("namespace") or ""), one.many] += 1
        elif one.why:
            report.leave_out(str(ref_of(obj)), one.why)
    for (kind, namespace, why), count in sorted(counts.items()):
        report.leave_out(f"{kind} in namespace {namespace}: {counted(count, 'object')}", why.value)


# -- other tools that apply the objects -------------------------------------------------------------------------------


def is_release(obj: Object) -> bool:
    """Return whether an object is the record of a Helm release."""
    labels = obj["metadata"].get("labels") or {}
    secret = kind_of(obj) == ("", "Secret") and obj.get("type") == _RELEASE
    return secret or (kind_of(obj) == ("", "ConfigMap") and labels.get("owner") == "helm" and "status" in labels)


def releases(objects: Iterable[Object]) -> list[str]:
    """Return a line for each Helm release that has created some of the objects."""
    counts: Counter[str] = Counter()
    for obj in objects:
        name = (obj["metadata"].get("annotations") or {}).get(_HELM)
        if name:
            counts[str(name)] += 1
    return [
        f"helm release {name}: {counted(count, 'object')} of it {'is' if count == 1 else 'are'} declared as "
        f"{'a manifest' if count == 1 else 'manifests'}; use `chart:` instead of `manifests:` to keep it a chart, and "
        "run no `helm upgrade` in the member any more"
        for name, count in sorted(counts.items())
    ]


def others(objects: Iterable[Object]) -> Iterator[Finding]:
    """Yield a finding for each object that another controller applies continuously."""
    for obj in objects:
        for part, key, who, what in _OTHERS:
            value = (obj["metadata"].get(part) or {}).get(key)
            if value:
                named = what.format(str(value)[:60])
                message = f"{who} applies it too ({named}): it and Karmada would overwrite each other; remove it there"
                yield Finding("applied-by-others", str(ref_of(obj)), message)
                break
