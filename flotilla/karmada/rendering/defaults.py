"""Defaults that an API server fills in, as far as overrides may refer to them.

Only of Kubernetes' own kinds (pkg/apis/*/v1/defaults.go, 1.24 to 1.37): the defaults of custom kinds aren't known here.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from flotilla.karmada.rendering.images import Image
from flotilla.kube.objects import copied

Object = dict[str, Any]

_POD: Object = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
}
_CONTAINER: Object = {
    "resources": {},
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE: Object = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_ROLLING = {"maxUnavailable": "25%", "maxSurge": "25%"}
_RETAINED = {"whenDeleted": "Retain", "whenScaled": "Retain"}
_SPECS: dict[tuple[str, str], Object] = {
    ("apps/v1", "Deployment"): {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": _ROLLING},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    },
    ("apps/v1", "StatefulSet"): {
        "replicas": 1,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
        "persistentVolumeClaimRetentionPolicy": _RETAINED,
    },
    ("apps/v1", "DaemonSet"): {
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        "revisionHistoryLimit": 10,
    },
    ("apps/v1", "ReplicaSet"): {"replicas": 1},
    ("batch/v1", "Job"): {"backoffLimit": 6, "completionMode": "NonIndexed", "suspend": False},
    ("batch/v1", "CronJob"): {
        "concurrencyPolicy": "Allow",
        "suspend": False,
        "successfulJobsHistoryLimit": 3,
        "failedJobsHistoryLimit": 1,
    },
    ("v1", "Service"): {"type": "ClusterIP", "sessionAffinity": "None"},
    ("v1", "PersistentVolumeClaim"): {"volumeMode": "Filesystem"},
}
_UPDATES = ("strategy", "updateStrategy")


def with_defaults(template: Object) -> Object:
    """Return a template with the defaults that its API server fills in."""
    result = copied(template)
    kind = (str(result.get("apiVersion")), str(result["kind"]))
    spec = result.get("spec")
    if kind == ("v1", "Secret"):
        _fill_secret(result)
    if not isinstance(spec, dict):
        return result
    for field, value in _SPECS.get(kind, {}).items():
        if field in _UPDATES and isinstance(spec.get(field), dict):
            _fill_update(spec[field], value)
        else:
            spec.setdefault(field, copied(value))
    _fill_nested(kind, spec)
    return result


def _fill_nested(kind: tuple[str, str], spec: Object) -> None:
    match kind:
        case ("v1", "Pod"):
            _fill_pod(spec)
        case ("batch/v1", "CronJob"):
            _at(spec, ("jobTemplate", "spec", "template", "spec"), _fill_pod)
        case ("batch/v1", "Job"):
            if spec.get("parallelism") is None and spec.get("completions") is None:
                spec["completions"] = 1
            spec.setdefault("parallelism", 1)
            _at(spec, ("template", "spec"), _fill_pod)
        case ("apps/v1", _):
            _at(spec, ("template", "spec"), _fill_pod)
        case ("v1", "Service"):
            _each(spec.get("ports"), _fill_service_port)


def narrowed(result: Any, full: Any, declared: Any) -> Any:
    """Return a template that was changed after `with_defaults`, without those defaults that are still unchanged."""
    if isinstance(result, dict) and isinstance(full, dict) and isinstance(declared, dict):
        return {
            key: narrowed(value, full.get(key), declared[key]) if key in declared else value
            for key, value in result.items()
            if key in declared or key not in full or value != full[key]
        }
    lists = isinstance(result, list) and isinstance(full, list) and isinstance(declared, list)
    if lists and len(result) == len(full) == len(declared):
        return [narrowed(*three) for three in zip(result, full, declared, strict=True)]
    return result


def _at(spec: Object, path: tuple[str, ...], fill: Callable[[Object], None]) -> None:
    found: Any = spec
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, dict):
        fill(found)


def _each(items: Any, fill: Callable[[Object], None]) -> None:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, dict):
            fill(item)


def _fill_update(strategy: Object, value: Object) -> None:
    strategy.setdefault("type", value["type"])
    if strategy["type"] == value["type"]:
        strategy["rollingUpdate"] = {**value["rollingUpdate"], **(strategy.get("rollingUpdate") or {})}


def _fill_pod(pod: Object) -> None:
    for field, value in _POD.items():
        pod.setdefault(field, copied(value))
    if pod.get("serviceAccountName"):
        pod.setdefault("serviceAccount", pod["serviceAccountName"])  # the older name of the same field
    for key in ("containers", "initContainers"):
        _each(pod.get(key), _fill_container)


def _fill_container(container: Object) -> None:
    for field, value in _CONTAINER.items():
        container.setdefault(field, copied(value))
    try:
        image = Image.parse(str(container.get("image") or ""))
    except ValueError:
        image = Image("", "", tag="unknown")
    container.setdefault("imagePullPolicy", "Always" if image.version in ("", "latest") else "IfNotPresent")
    _each(container.get("ports"), lambda port: port.setdefault("protocol", "TCP"))
    for key in _PROBES:
        if isinstance(container.get(key), dict):
            container[key] = {**_PROBE, **container[key]}


def _fill_service_port(port: Object) -> None:
    port.setdefault("protocol", "TCP")
    port.setdefault("targetPort", port.get("port"))


def _fill_secret(secret: Object) -> None:
    """Fill in the type, and convert stringData to data."""
    secret.setdefault("type", "Opaque")
    texts = secret.pop("stringData", None)
    if isinstance(texts, dict):
        encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}
