"""Fields that Karmada prunes before it sends an object: those that API servers set (Karmada's prune package).

Karmada prunes after the overrides, so an override can't add such a field again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import copied

Object = dict[str, Any]

_METADATA = (
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
    "ownerReferences",
    "finalizers",
)
_JOB_LABELS = (
    "controller-uid",
    "job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-name",
)
_JOB_SELECTORS = ("controller-uid", "batch.kubernetes.io/controller-uid")
_DEPLOYMENT_ANNOTATIONS = ("deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history")
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - a type's name
_TWICE_SINCE = Version(1, 13)
"""Since this version the controller prunes, and then the webhook a second time."""


def traveling(obj: Object, version: Version = SUPPORTED.newest) -> Object:
    """Return the part of an object that Karmada sends to members. Karmada only checks the kind, not its group."""
    return pruned(copied(obj), version)


def pruned(obj: Object, version: Version = SUPPORTED.newest) -> Object:
    """Return the same as `traveling`; the given object may be changed."""
    result = {key: value for key, value in obj.items() if key != "status"}
    metadata = result["metadata"]
    for key in _METADATA:
        metadata.pop(key, None)
    match result["kind"]:
        case "Deployment":
            _drop(metadata, "annotations", _DEPLOYMENT_ANNOTATIONS)
        case "Job":
            _prune_job(result)
        case "Secret" if result.get("type") == TOKEN_TYPE:
            _drop(metadata, "annotations", ("kubernetes.io/service-account.uid",))
            result["data"] = None
        case "ServiceAccount":
            for _ in range(2 if version >= _TWICE_SINCE else 1):
                _prune_tokens(result)
        case "Service":
            _prune_service(result)
        case "PersistentVolumeClaim":
            _drop(metadata, "annotations", ("volume.kubernetes.io/selected-node",))
    return result


def _drop(parent: Any, field: str, keys: Iterable[str]) -> None:
    found = parent.get(field) if isinstance(parent, dict) else None
    if isinstance(found, dict):
        for key in keys:
            found.pop(key, None)


def _prune_job(job: Object) -> None:
    """Drop what the API server chose for the Job, and its TTL: a member would delete a Job that Karmada recreates."""
    spec = job.get("spec")
    if not isinstance(spec, dict):
        return
    spec.pop("ttlSecondsAfterFinished", None)
    if spec.get("manualSelector") is not True:
        _drop(spec.get("selector"), "matchLabels", _JOB_SELECTORS)
        template = spec.get("template")
        _drop(template.get("metadata") if isinstance(template, dict) else None, "labels", _JOB_LABELS)


def _prune_service(service: Object) -> None:
    spec = service.get("spec")
    if isinstance(spec, dict) and isinstance(spec.get("clusterIP"), str) and spec["clusterIP"] != "None":
        spec.pop("clusterIP")
        spec.pop("clusterIPs", None)


def _prune_tokens(account: Object) -> None:
    """Drop a ServiceAccount's token Secrets. Like upstream's loop, it misses the second of two in a row."""
    secrets = account.get("secrets")
    if not isinstance(secrets, list):
        return
    prefix = f"{account['metadata']['name']}-token-"
    place = 0
    while place < len(secrets):
        if str((secrets[place] or {}).get("name") or "").startswith(prefix):
            del secrets[place]
        place += 1
