"""Objects of a control plane that nobody means to spread: the API server, controllers and Karmada make them there."""

from __future__ import annotations

from flotilla.karmada.kinds import DEFINITION, kind_of
from flotilla.kube.objects import Object

_OWN_GROUPS = (".karmada.io", "multicluster.x-k8s.io")
"""The groups that Karmada's own definitions are in, by their end."""
# Karmada's own objects (pkg/util/constants.go, KarmadaSystemLabel), and Services' addresses that a controller writes.
_LABELS = (("karmada.io/system", "true"), ("endpointslice.kubernetes.io/managed-by", None))
# By kind, namespace (None: every) and name: controllers make two objects in each namespace, and the API server makes
# its own Service with its addresses.
_NAMED = frozenset(
    {
        ("ConfigMap", None, "kube-root-ca.crt"),
        ("ServiceAccount", None, "default"),
        ("Service", "default", "kubernetes"),
        ("Endpoints", "default", "kubernetes"),
        ("EndpointSlice", "default", "kubernetes"),
    }
)


def meant_to_spread(obj: Object) -> bool:
    """Return whether an object may be meant for members: it isn't one that every control plane makes itself."""
    meta, kind = obj["metadata"], obj["kind"]
    labels, name = meta.get("labels") or {}, meta["name"]
    if kind_of(obj) == DEFINITION and str((obj.get("spec") or {}).get("group")).endswith(_OWN_GROUPS):
        return False
    if any(key in labels and value in (None, labels[key]) for key, value in _LABELS):
        return False
    if any(owner.get("controller") for owner in meta.get("ownerReferences") or []):
        return False
    return not {(kind, None, name), (kind, meta.get("namespace"), name)} & _NAMED
