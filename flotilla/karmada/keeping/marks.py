"""What is left on a copy in a member once Karmada has let it go, and what takes it off.

Karmada takes most of its marks off a copy that it is to preserve (pkg/controllers/execution,
cleanupPolicyClaimMetadata, of 1.12 to 1.18). It leaves `work.karmada.io/conflict-resolution`, the marks of cluster-wide
bindings, the claims of a ClusterPropagationPolicy on objects with a namespace, and whatever annotations a template had:
also those that are for Pulumi alone.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.propagation import HEALTH_IGNORED, ON_REMOVAL, OWN_ANNOTATIONS, SKIP_AWAIT
from flotilla.karmada.rendering.marks import ANNOTATIONS, LABELS, MANAGED
from flotilla.karmada.scaling import SCALED_BY
from flotilla.karmada.selection import CLAIM_KEYS
from flotilla.kube.objects import Object

_OF_KARMADA = LABELS | ANNOTATIONS | CLAIM_KEYS
"""Labels and annotations alike."""
_OWN = frozenset({*OWN_ANNOTATIONS, HEALTH_IGNORED, ON_REMOVAL, SCALED_BY})


def is_managed(copy: Object) -> bool:
    """Return whether a copy has the mark by which Karmada knows what it manages in a member."""
    return (copy["metadata"].get("labels") or {}).get(MANAGED) == "true"


def freeing(copy: Object) -> Object | None:
    """Return the merge patch that takes the marks of Karmada and of a stack off a copy; None where it has none.

    An object without any mark of Karmada is somebody else's, which Karmada never took over: it is left alone. What a
    manifest itself says of waiting (`pulumi.com/skipAwait`) is its author's, and stays.
    """
    metadata = copy["metadata"]
    labels = _OF_KARMADA & (metadata.get("labels") or {}).keys()
    held = metadata.get("annotations") or {}
    if not labels and not _OF_KARMADA & held.keys() and ON_REMOVAL not in held:
        return None
    annotations = (_OF_KARMADA | _OWN) & held.keys()
    if HEALTH_IGNORED in held:
        annotations -= {SKIP_AWAIT}
    body: dict[str, Any] = {}
    if labels:
        body["labels"] = dict.fromkeys(sorted(labels))
    if annotations:
        body["annotations"] = dict.fromkeys(sorted(annotations))
    return {"metadata": body} if body else None
