"""What a workload's Rollout stores of its templates: a reference and a digest for each, not their content.

The content is in the resource of the template itself: a state contains each template once
(docs/decisions/rollout-templates.md). States of earlier versions contain whole templates in a Rollout; these are still
understood.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from flotilla.karmada.kinds import NAMESPACE, SKIP_PROPAGATION, goes_by_itself, kind_of
from flotilla.karmada.scaling import scaler_of
from flotilla.karmada.scheduling import replicas_of
from flotilla.kube.objects import Object, ObjectRef, ref_of

DIGEST = "digest"
"""The key that distinguishes a reference from a whole template."""
_BY_POLICY = "byPolicy"
_CHARACTERS = 32


def reference_to(template: Object) -> Object:
    """Return what a Rollout stores of a template.

    Args:
        template: the declared template; a reference is returned unchanged.

    Returns:
        apiVersion, kind, name and digest (32 hexadecimal characters); where they apply also namespace, replicas (those
        that Karmada divides) and byPolicy (for a Namespace that Karmada doesn't send by itself).
    """
    if is_reference(template):
        return template
    ref = ref_of(template)
    replicas = None
    with suppress(ValueError):  # the wait reports replicas that aren't a whole number
        # Where an autoscaler owns the number, a different one in the manifest is no change.
        replicas = None if scaler_of(template) else replicas_of(template)
    return {
        "apiVersion": ref.api_version,
        "kind": ref.kind,
        "name": ref.name,
        **({"namespace": ref.namespace} if ref.namespace else {}),
        **({"replicas": replicas} if replicas is not None else {}),
        **({_BY_POLICY: True} if kind_of(template) == NAMESPACE and not goes_by_itself(template) else {}),
        DIGEST: digest_of(template),
    }


def is_reference(entry: Any) -> bool:
    """Return whether an entry of a Rollout's templates is a reference; otherwise it is a whole template."""
    return isinstance(entry, dict) and DIGEST in entry and "metadata" not in entry


def bare(entry: Object) -> Object:
    """Return an object that identifies a template, without its content."""
    if not is_reference(entry):
        entry = reference_to(entry)
    metadata: Object = {"name": entry["name"]}
    if entry.get("namespace"):
        metadata["namespace"] = entry["namespace"]
    if entry.get(_BY_POLICY):
        metadata["labels"] = {SKIP_PROPAGATION: "true"}
    return {"apiVersion": entry["apiVersion"], "kind": entry["kind"], "metadata": metadata}


def digests(entries: Iterable[Object]) -> dict[ObjectRef, str]:
    """Return the digest of each template of a Rollout."""
    return {ref_of(bare(one)): str(one[DIGEST]) for one in map(reference_to, entries)}


def replicas_in(entries: Iterable[Object]) -> dict[ObjectRef, int | None]:
    """Return how many replicas each template of a Rollout declares; None where Karmada divides none."""
    return {ref_of(bare(one)): one.get("replicas") for one in map(reference_to, entries)}


def digest_of(template: Object) -> str:
    """Return a digest of a declared template, without replicas that an autoscaler of the control plane owns.

    Absent and null values count as equal, and so do 2.0 and 2: engines pass on values in these different forms.
    """
    spec = template.get("spec")
    if scaler_of(template) and isinstance(spec, dict):
        template = {**template, "spec": {key: value for key, value in spec.items() if key != "replicas"}}
    return digest(template)


def digest(value: Any) -> str:
    """Return a digest of plain data: 32 hexadecimal characters."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_CHARACTERS]


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(entry) for key, entry in value.items() if entry is not None}
    if isinstance(value, list):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
