"""What a workload's Rollout keeps of its templates: which ones they are and a digest of each, not their content.

The content stands in the resource of the template itself: a state has each of them once
(docs/decisions/rollout-templates.md). States of earlier versions have whole templates here; they read the same.
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
"""The key that makes an entry a reference."""
_BY_POLICY = "byPolicy"
_CHARACTERS = 32


def reference_to(template: Object) -> Object:
    """Return what a Rollout keeps of a template.

    Args:
        template: as declared; a reference stays as it is.

    Returns:
        apiVersion, kind, name, digest (32 hexadecimal characters), and where there is such a thing namespace, replicas
        (those that Karmada divides) and byPolicy (a Namespace that Karmada doesn't send by itself).
    """
    if is_reference(template):
        return template
    ref = ref_of(template)
    replicas = None
    with suppress(ValueError):  # of no whole number the wait tells
        # Where an autoscaler owns the number, another one in the manifest is no change.
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
    """Return whether an entry of a Rollout's templates is a reference; else it is a whole template."""
    return isinstance(entry, dict) and DIGEST in entry and "metadata" not in entry


def bare(entry: Object) -> Object:
    """Return an object that says of a template which one it is, and nothing else."""
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
    """Return a digest of a template as declared, without replicas that an autoscaler of the control plane owns.

    Values that are absent or null count the same, and 2.0 as 2: so does every form in which an engine passes it on.
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
