"""Templates whose replicas an autoscaler of the control plane sets: a FederatedHPA or a CronFederatedHPA.

The autoscaler writes `spec.replicas` of the template through its `scale` subresource (upstream:
pkg/controllers/federatedhpa). The template starts with the number in the manifest; no later run writes that number back
(docs/decisions/who-owns-replicas.md).
"""

from __future__ import annotations

from flotilla.kube.objects import Object

SCALED_BY = "flotilla.dev/scaled-by"
"""The annotation of a template that names the autoscaler that owns its replicas: `FederatedHPA web`."""
REPLICAS = "spec.replicas"
"""The field that the autoscaler owns, in Pulumi's notation for paths."""
BOUNDS = ("spec.minReplicas", "spec.maxReplicas")
"""The fields of a FederatedHPA that belong to a CronFederatedHPA which scales it."""


def scaled(template: Object, scaler: str) -> Object:
    """Return a template with the annotation that names its autoscaler."""
    metadata = template["metadata"]
    return {
        **template,
        "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), SCALED_BY: scaler}},
    }


def scaler_of(template: Object) -> str:
    """Return the autoscaler that owns a template's replicas; empty for none."""
    return str(((template.get("metadata") or {}).get("annotations") or {}).get(SCALED_BY) or "")


def replicas_from(template: Object, other: Object | None) -> Object:
    """Return a template with the replicas that it has elsewhere, where an autoscaler owns them; else unchanged.

    Args:
        template: the declared template.
        other: the same object as it is in the control plane, or as it was declared before; None where there is none.
    """
    spec, known = template.get("spec"), (other or {}).get("spec")
    if not scaler_of(template) or not isinstance(spec, dict) or not isinstance(known, dict):
        return template
    if known.get("replicas") is None:
        return template
    return {**template, "spec": {**spec, "replicas": known["replicas"]}}
