"""Objects in a control plane that aren't meant for members: the API server, controllers and Karmada create them."""

from __future__ import annotations

from flotilla.karmada.kinds import DEFINITION, kind_of
from flotilla.kube.objects import Object

_OWN_GROUPS = (".karmada.io", "multicluster.x-k8s.io")
"""The suffixes of the groups of Karmada's own definitions."""
# Karmada's own objects (pkg/util/constants.go, KarmadaSystemLabel), and EndpointSlices that a controller writes.
_LABELS = (("karmada.io/system", "true"), ("endpointslice.kubernetes.io/managed-by", None))
# Kind, namespace (None: any) and name: controllers create two objects in each namespace, and the API server creates its
# own Service with its endpoints.
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
    """Return whether an object may be meant for members: false for those that every control plane creates by itself."""
    meta, kind = obj["metadata"], obj["kind"]
    labels, name = meta.get("labels") or {}, meta["name"]
    if kind_of(obj) == DEFINITION and str((obj.get("spec") or {}).get("group")).endswith(_OWN_GROUPS):
        return False
    if any(key in labels and value in (None, labels[key]) for key, value in _LABELS):
        return False
    if any(owner.get("controller") for owner in meta.get("ownerReferences") or []):
        return False
    return not {(kind, None, name), (kind, meta.get("namespace"), name)} & _NAMED
