"""Karmada's release in its host cluster: when it is ready, and what an uninstall would leave behind or delete.

Source: the chart's templates and hooks of 1.10 to 1.18, and tests on a real node with 1.18.2.
"""

from __future__ import annotations

from typing import Any

from yaml import safe_dump

from flotilla.errors import ClusterError
from flotilla.karmada.installing.chart import RELEASE, SYSTEM_NAMESPACE
from flotilla.karmada.objects import POLICY_API
from flotilla.kube import yaml
from flotilla.kube.connection import Connection
from flotilla.kube.helm import Release, latest_release
from flotilla.kube.objects import Object, ObjectRef, condition, is_true

_API_SERVICE = ObjectRef("apiregistration.k8s.io/v1", "APIService", "v1alpha1.cluster.karmada.io")
_CRDS = (
    "propagationpolicies.policy.karmada.io",
    "clusterpropagationpolicies.policy.karmada.io",
    "overridepolicies.policy.karmada.io",
    "clusteroverridepolicies.policy.karmada.io",
    "works.work.karmada.io",
    "resourcebindings.work.karmada.io",
    "clusterresourcebindings.work.karmada.io",
)
# The ServiceAccount of the chart's jobs, with all rights in the host cluster; 1.10 calls it pre-job.
_JOB_ACCOUNTS = (f"{RELEASE}-hook-job", f"{RELEASE}-pre-job")
_RBAC = "rbac.authorization.k8s.io/v1"
_HARMLESS = "nothing-to-delete.yaml"
_POST_DELETE = "post-delete"


def unready(connection: Connection) -> list[str]:
    """Return what a control plane lacks before members can join and policies can be declared; empty once it is ready.

    The API server answers before the rest of Karmada does (karmada#1836, #3961): the aggregated API answers with 503, a
    job installs the CRDs, and the webhook, which has to answer for every policy, comes last.
    """
    try:
        connection.ready(doing="asking Karmada's API server whether it is ready", timeout=5)
    except ClusterError as error:
        return [error.message]
    missing = []
    service = connection.find(_API_SERVICE)
    if service is None or not is_true(service, "Available"):
        why = ((condition(service, "Available") or {}) if service else {}).get("message", "it isn't there")
        missing.append(f"the aggregated API cluster.karmada.io is not available: {why}")
    for name in _CRDS:
        crd = connection.find(ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", name))
        if crd is None or not is_true(crd, "Established"):
            missing.append(f"the CRD {name} is not established")
    return missing or _silent_webhook(connection)


def _silent_webhook(connection: Connection) -> list[str]:
    probe = {
        "apiVersion": POLICY_API,
        "kind": "PropagationPolicy",
        "metadata": {"name": "flotilla-probe", "namespace": "default"},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "flotilla-probe"}]},
    }
    try:
        connection.create(probe, field_manager="flotilla", dry_run=True)
    except ClusterError as error:
        return [f"its webhook doesn't answer: {error.message}"]
    return []


def unsettled(connection: Connection, namespace: str = SYSTEM_NAMESPACE) -> list[str]:
    """Return the jobs of an installation that haven't finished; empty once another installation may begin.

    Since 1.11 a Job of the release itself installs the objects in Karmada, and is deleted ten seconds after it
    finished. A Job's template can't be changed: an upgrade before that fails, and so does its rollback (seen with
    1.18.2).
    """
    jobs = connection.list("batch/v1", "Job", namespace=namespace)
    return [
        f"Job {job['metadata']['name']} is still there"
        for job in jobs
        if job["metadata"]["name"] == f"{RELEASE}-static-resource"
    ]


def leftovers(connection: Connection, release: str = RELEASE, namespace: str = SYSTEM_NAMESPACE) -> list[ObjectRef]:
    """Return the objects that the chart's jobs and hooks create in the host cluster, and that Helm doesn't delete."""
    refs = [ObjectRef(_RBAC, kind, name) for name in _JOB_ACCOUNTS for kind in ("ClusterRoleBinding", "ClusterRole")]
    refs += [ObjectRef("v1", "ServiceAccount", name, namespace) for name in _JOB_ACCOUNTS]
    refs += [
        ObjectRef("v1", "Secret", f"{release}-{suffix}", namespace) for suffix in ("cert", "kubeconfig", "webhook-cert")
    ]
    found = [ref for ref in refs if connection.find(ref)]
    for kind in ("ConfigMap", "Job"):
        version = "v1" if kind == "ConfigMap" else "batch/v1"
        found += [
            ObjectRef(version, kind, obj["metadata"]["name"], namespace)
            for obj in connection.list(version, kind, namespace=namespace)
            if obj["metadata"]["name"].startswith(f"{release}-")
        ]
    claims = connection.list("v1", "PersistentVolumeClaim", namespace=namespace, labels="app=etcd")
    return found + [ObjectRef("v1", "PersistentVolumeClaim", c["metadata"]["name"], namespace) for c in claims]


def clean_up(connection: Connection, spared: set[str]) -> list[str]:
    """Delete the objects that a release has left, except those that existed before it; return the deleted ones.

    Args:
        connection: a connection to the host cluster.
        spared: the objects that existed before the installation, each as text (`str(ref)`).
    """
    found = [ref for ref in leftovers(connection) if str(ref) not in spared]
    return [str(ref) for ref in found if connection.delete(ref, propagation="Background")]


def make_uninstall_harmless(
    connection: Connection, name: str = RELEASE, namespace: str = SYSTEM_NAMESPACE
) -> list[str]:
    """Make the chart's job at uninstall harmless, and return the ConfigMaps that were emptied.

    With `certs.mode=auto` that job runs `kubectl delete` for the content of ConfigMaps, in the host cluster. It would
    delete kube-public/cluster-info, the ServiceExport CRD and other objects that aren't Karmada's (karmada#7618). In
    1.10 it waits forever for ConfigMaps that don't exist (karmada#4611). The job reads them when it runs: after this
    they exist, and each names an object that doesn't exist.
    """
    release = latest_release(connection, namespace, name)
    if release is None:
        return []
    emptied = []
    for volume in sorted(_mounted_at_uninstall(release)):
        ref = ObjectRef("v1", "ConfigMap", volume, namespace)
        nothing = safe_dump(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "flotilla-nothing-to-delete", "namespace": namespace},
            }
        )
        live = connection.find(ref)
        if live is None:
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": volume, "namespace": namespace}}
            connection.create({**body, "data": {_HARMLESS: nothing}}, field_manager="flotilla")
        else:
            none: dict[str, Any] = dict.fromkeys(live.get("data") or {})
            connection.patch(ref, {"data": {**none, _HARMLESS: nothing}})
        emptied.append(volume)
    return emptied


def _mounted_at_uninstall(release: Release) -> set[str]:
    """Return the ConfigMaps that the release's post-delete hooks mount."""
    volumes: list[Object] = []
    for hook in release.hooks:
        if hook.get("kind") == "Job" and _POST_DELETE in (hook.get("events") or []):
            job = yaml.load(hook["manifest"])
            volumes += job["spec"]["template"]["spec"].get("volumes") or []
    return {volume["configMap"]["name"] for volume in volumes if volume.get("configMap")}


def stuck(connection: Connection, name: str = RELEASE, namespace: str = SYSTEM_NAMESPACE) -> str:
    """Return that a release is neither deployed nor gone, with the remedy; empty where nothing is wrong.

    Raises:
        ClusterError: the cluster could not be asked.
    """
    release = latest_release(connection, namespace, name)
    if release is None or release.status in ("deployed", "superseded", "uninstalled"):
        return ""
    if release.revision == 1 or release.status == "uninstalling":
        remedy = f"helm uninstall {name} -n {namespace}, then `up`"
    else:
        remedy = f"helm rollback {name} -n {namespace}, then `up`"
    return f"release {name} is {release.status} (revision {release.revision}); the way out: {remedy}"
