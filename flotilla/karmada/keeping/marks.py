"""The marks that stay on a copy in a member once Karmada has released it, and the patch that removes them.

Karmada removes most of its marks from a copy that it preserves (pkg/controllers/execution, cleanupPolicyClaimMetadata,
1.12 to 1.18). It leaves `work.karmada.io/conflict-resolution`, the marks of cluster-wide bindings, the claims of a
ClusterPropagationPolicy on namespaced objects, and all annotations of the template, even those that are only for
Pulumi.
"""

from __future__ import annotations

from typing import Any

from flotilla.karmada.propagation import HEALTH_IGNORED, ON_REMOVAL, OWN_ANNOTATIONS, SKIP_AWAIT
from flotilla.karmada.rendering.marks import ANNOTATIONS, LABELS, MANAGED
from flotilla.karmada.scaling import SCALED_BY
from flotilla.karmada.selection import CLAIM_KEYS
from flotilla.kube.objects import Object

_OF_KARMADA = LABELS | ANNOTATIONS | CLAIM_KEYS
"""Labels and annotations together."""
_OWN = frozenset({*OWN_ANNOTATIONS, HEALTH_IGNORED, ON_REMOVAL, SCALED_BY})


def is_managed(copy: Object) -> bool:
    """Return whether a copy has the label by which Karmada recognizes what it manages in a member."""
    return (copy["metadata"].get("labels") or {}).get(MANAGED) == "true"


def unmarking_patch(copy: Object) -> Object | None:
    """Return the merge patch that removes the marks of Karmada and of a stack from a copy; None where it has none.

    An object without any mark of Karmada belongs to somebody else, and Karmada never took it over: it isn't changed. An
    annotation about waiting in the manifest itself (`pulumi.com/skipAwait`) belongs to the manifest's author, and
    stays.
    """
    metadata = copy["metadata"]
    labels = _OF_KARMADA & (metadata.get("labels") or {}).keys()
    present = metadata.get("annotations") or {}
    if not labels and not _OF_KARMADA & present.keys() and ON_REMOVAL not in present:
        return None
    annotations = (_OF_KARMADA | _OWN) & present.keys()
    if HEALTH_IGNORED in present:
        annotations -= {SKIP_AWAIT}
    body: dict[str, Any] = {}
    if labels:
        body["labels"] = dict.fromkeys(sorted(labels))
    if annotations:
        body["annotations"] = dict.fromkeys(sorted(annotations))
    return {"metadata": body} if body else None
