"""Random templates of every kind whose dependencies Karmada reads: pods that refer to objects in all fields."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

Object = dict[str, Any]
NAMES = ("common", "shared", "own", "a.b", "other")
DERIVED = 0.06
"""The share of templates that are no pods: Ingresses and ServiceImports."""
PODS: dict[tuple[str, str], tuple[str, ...]] = {
    ("v1", "Pod"): (),
    ("apps/v1", "Deployment"): ("template",),
    ("apps/v1", "StatefulSet"): ("template",),
    ("apps/v1", "DaemonSet"): ("template",),
    ("apps/v1", "ReplicaSet"): ("template",),
    ("batch/v1", "Job"): ("template",),
    ("batch/v1", "CronJob"): ("jobTemplate", "spec", "template"),
    ("apps.kruise.io/v1alpha1", "CloneSet"): ("template",),
    ("apps.kruise.io/v1alpha1", "DaemonSet"): ("template",),
    ("apps.kruise.io/v1alpha1", "BroadcastJob"): ("template",),
    ("apps.kruise.io/v1beta1", "StatefulSet"): ("template",),
}
"""Kinds with pods, and the path of the pod in their spec; an empty path means that the object is a pod."""
OTHERS = (("networking.k8s.io/v1", "Ingress"), ("multicluster.x-k8s.io/v1alpha1", "ServiceImport"))
KINDS = (*PODS, *OTHERS)


def definitions() -> list[Object]:
    """Return CustomResourceDefinitions of the custom kinds, whose schemas allow any spec."""
    found = []
    for api_version, kind in PODS:
        group, _, version = api_version.rpartition("/")
        if group != "apps.kruise.io":
            continue
        schema = {
            "type": "object",
            "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
        }
        plural = f"{kind.lower()}s"
        found.append(
            {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{group}"},
                "spec": {
                    "group": group,
                    "scope": "Namespaced",
                    "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
                    "versions": [
                        {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
                    ],
                },
            }
        )
    return found


def template(rnd: random.Random, name: str, namespace: str) -> Object:
    """Return a template of any kind."""
    kind = rnd.choice(OTHERS) if rnd.random() < DERIVED else rnd.choice(list(PODS))
    body = {"apiVersion": kind[0], "kind": kind[1], "metadata": {"name": name, "namespace": namespace}}
    if kind[1] == "ServiceImport":
        return {**body, "spec": {"type": "ClusterSetIP", "ports": [{"port": 80, "protocol": "TCP"}]}}
    if kind[1] == "Ingress":
        hosts = [{"secretName": rnd.choice(NAMES)} for _ in range(rnd.randint(0, 3))]
        backend = {"service": {"name": "web", "port": {"number": 80}}}
        return {**body, "spec": {"defaultBackend": backend, **({"tls": hosts} if hosts else {})}}
    spec: Any = _pod(rnd, once=kind[1] in ("Job", "CronJob", "BroadcastJob"))
    for step in reversed(PODS[kind]):
        labels = {"metadata": {"labels": {"app": name}}} if step == "template" else {}
        spec = {step: {**labels, "spec": spec} if step == "template" else spec}
    if kind[1] in ("CloneSet", "StatefulSet"):  # otherwise Karmada's script for OpenKruise fails
        spec["replicas"] = 1
    if kind[1] == "CronJob":
        spec["schedule"] = "0 0 * * *"
    if kind[1] in ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "CloneSet"):
        spec["selector"] = {"matchLabels": {"app": name}}
    if kind[1] == "StatefulSet":
        spec["serviceName"] = "web"
        spec["volumeClaimTemplates"] = [_claim(one) for one in rnd.sample(("own", "shared"), rnd.randint(0, 2))]
    return {**body, "spec": spec}


def _claim(name: str) -> Object:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name}, "spec": spec}


def _pod(rnd: random.Random, *, once: bool) -> Object:
    pod: Object = {"containers": [_container(rnd, f"c{number}") for number in range(rnd.randint(1, 2))]}
    if rnd.random() < 0.4:
        pod["initContainers"] = [_container(rnd, "i0")]
    if rnd.random() < 0.4:
        pod["imagePullSecrets"] = [{"name": name} for name in rnd.sample(NAMES, rnd.randint(1, 2))]
    if rnd.random() < 0.6:
        pod["serviceAccountName"] = rnd.choice(("default", "runner", "own"))
    volumes = list(_volumes(rnd))
    if volumes:
        pod["volumes"] = volumes
    if once:
        pod["restartPolicy"] = "Never"
    return pod


def _container(rnd: random.Random, name: str) -> Object:
    found: Object = {"name": name, "image": "nginx:1.27"}
    sources: list[Object] = []
    for _ in range(rnd.choice((0, 0, 1, 2))):
        reference = _named(rnd)
        sources.append({rnd.choice(("configMapRef", "secretRef")): reference})
    if sources:
        found["envFrom"] = sources
    variables: list[Object] = []
    for number in range(rnd.choice((0, 1, 2))):
        key = rnd.choice(("configMapKeyRef", "secretKeyRef", "fieldRef"))
        value = {"fieldPath": "metadata.name"} if key == "fieldRef" else {**_named(rnd), "key": "k"}
        variables.append({"name": f"V{number}", "valueFrom": {key: value}})
    if variables:
        found["env"] = variables
    return found


def _named(rnd: random.Random) -> Object:
    return {"name": rnd.choice(NAMES), **({"optional": rnd.random() < 0.5} if rnd.random() < 0.3 else {})}


def _secret(rnd: random.Random) -> Object:
    return {"secretRef": {"name": rnd.choice(NAMES)}} if rnd.random() < 0.8 else {}


_VOLUMES: dict[str, Callable[[random.Random], Object]] = {
    "configMap": _named,
    "secret": lambda rnd: {"secretName": rnd.choice(NAMES)},
    "persistentVolumeClaim": lambda rnd: {"claimName": rnd.choice(NAMES)},
    "emptyDir": lambda _: {},
    "ephemeral": lambda _: {"volumeClaimTemplate": {"spec": _claim("x")["spec"]}},
    "azureFile": lambda rnd: {"secretName": rnd.choice(NAMES), "shareName": "s"},
    "cephfs": lambda rnd: {"monitors": ["m"], **_secret(rnd)},
    "cinder": lambda rnd: {"volumeID": "v", **_secret(rnd)},
    "flexVolume": lambda rnd: {"driver": "d/e", **_secret(rnd)},
    "rbd": lambda rnd: {"monitors": ["m"], "image": "i", **_secret(rnd)},
    "iscsi": lambda rnd: {"targetPortal": "p", "iqn": "iqn.2001-04.com.example:a", "lun": 0, **_secret(rnd)},
    "storageos": lambda rnd: {"volumeName": "v", **_secret(rnd)},
    "scaleIO": lambda rnd: {
        "gateway": "https://g",
        "system": "s",
        "volumeName": "v",
        "secretRef": {"name": rnd.choice(NAMES)},
    },
    "csi": lambda rnd: {
        "driver": "d",
        **({"nodePublishSecretRef": {"name": rnd.choice(NAMES)}} if rnd.random() < 0.8 else {}),
    },
    "projected": lambda rnd: {"sources": [_source(rnd, number) for number in range(rnd.randint(1, 3))]},
}


def _source(rnd: random.Random, number: int) -> Object:
    items = [{"key": "k", "path": f"p{number}"}]
    kind = rnd.choice(("configMap", "secret", "serviceAccountToken"))
    if kind == "serviceAccountToken":
        return {kind: {"path": f"t{number}"}}
    return {kind: {**_named(rnd), "items": items}}


def _volumes(rnd: random.Random) -> Iterator[Object]:
    for number in range(rnd.choice((0, 1, 1, 2, 4))):
        kind = rnd.choice(list(_VOLUMES))
        yield {"name": f"v{number}", kind: _VOLUMES[kind](rnd)}
