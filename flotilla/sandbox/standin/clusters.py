"""Clusters: their status by the stored credentials, their execution namespaces, and their removal."""

from __future__ import annotations

import contextlib
import time

from flotilla.errors import FlotillaError
from flotilla.karmada.joining import agent
from flotilla.karmada.names import CLUSTER_FINALIZER, execution_namespace
from flotilla.karmada.objects import CLUSTER_API, WORK_API
from flotilla.kube.connection import ApiError, Connection, Unreachable
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of
from flotilla.sandbox.standin.world import MANAGER, World, bindings, conditions_of, deleting, new_condition

_NOT_READY = {"key": "cluster.karmada.io/not-ready", "effect": "NoSchedule"}
_SERVED_SECONDS = 10.0
_UNITS = {"Ki": 1, "Mi": 1024, "Gi": 1024**2}


def reconcile_clusters(world: World) -> list[Object]:
    """Update the status of every Cluster; return the updated Clusters, without those that are being deleted."""
    staying = []
    for cluster in world.control_plane.list(CLUSTER_API, "Cluster"):
        if deleting(cluster):
            _collect(world, cluster)
            continue
        _accept(world, cluster)
        status = _observe(world, cluster)
        world.set_status(cluster, status)
        _taint(world, cluster, ready=is_true({"status": status}, "Ready"))
        staying.append({**cluster, "status": status})
    return staying


def _accept(world: World, cluster: Object) -> None:
    world.add_finalizer(cluster, CLUSTER_FINALIZER)
    name = execution_namespace(cluster["metadata"]["name"])
    if all(one["metadata"]["name"] != name for one in world.control_plane.list("v1", "Namespace")):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        world.control_plane.create(namespace, field_manager=MANAGER)


def _observe(world: World, cluster: Object) -> Object:
    """Return a member's status; if the member can't be used, the reason is the one that Karmada gives."""
    old = conditions_of(cluster)
    try:
        member = world.member(cluster)
        _expect_agent(cluster, member)
        version = member.request("GET", "/version", doing="asking for the version")
        member.ready(doing="asking for readiness")
        nodes = member.list("v1", "Node")
        pods = member.list("v1", "Pod")
        served = _served(world, member)
    except Unreachable as error:
        ready = new_condition("Ready", status=False, reason="ClusterNotReachable", message=error.message, old=old)
        return {**(cluster.get("status") or {}), "conditions": [ready]}
    except FlotillaError as error:
        ready = new_condition("Ready", status=False, reason="ClusterNotReady", message=error.message, old=old)
        return {**(cluster.get("status") or {}), "conditions": [ready]}
    message = "cluster is healthy and ready to accept workloads"
    return {
        "kubernetesVersion": version.get("gitVersion", ""),
        "apiEnablements": served,
        "nodeSummary": {"totalNum": len(nodes), "readyNum": sum(is_true(node, "Ready") for node in nodes)},
        "resourceSummary": {
            "allocatable": {
                "cpu": str(sum(int(_allocatable(node, "cpu")) for node in nodes)),
                "memory": f"{sum(_kibibytes(_allocatable(node, 'memory')) for node in nodes)}Ki",
                "pods": str(sum(int(_allocatable(node, "pods")) for node in nodes)),
            },
            "allocated": {"pods": str(len(pods))},
        },
        "conditions": [new_condition("Ready", status=True, reason="ClusterReady", message=message, old=old)],
    }


def _expect_agent(cluster: Object, member: Connection) -> None:
    """Refuse a pull-mode member without an agent. The stand-in does the agent's work, but only if its Deployment runs.

    Raises:
        FlotillaError: there is no agent.
    """
    if cluster["spec"].get("syncMode") != "Pull":
        return
    agents = member.list("apps/v1", "Deployment", labels=f"app={agent.DEPLOYMENT}")
    running = [found for found in agents if (found.get("status") or {}).get("availableReplicas")]
    if not any(agent.serves(found, cluster["metadata"]["name"]) for found in running):
        raise FlotillaError("its agent has not reported yet")


def _served(world: World, member: Connection) -> list[Object]:
    """Return the kinds that a member serves; they are read completely every few seconds, as Karmada does."""
    groups = member.request("GET", "/apis", doing="listing API groups").get("groups") or []
    versions = ("v1", *(group["preferredVersion"]["groupVersion"] for group in groups))
    key = (member.server, *versions)
    looked, _ = world.served.get(key, (-_SERVED_SECONDS, []))
    if time.monotonic() - looked >= _SERVED_SECONDS:
        served = [{"groupVersion": version, "resources": _kinds(member, version)} for version in versions]
        world.served[key] = (time.monotonic(), served)
    return world.served[key][1]


def _kinds(member: Connection, version: str) -> list[Object]:
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    listed = member.request("GET", prefix, doing=f"listing the kinds of {version}").get("resources") or []
    return [{"name": one["name"], "kind": one["kind"]} for one in listed if "/" not in one["name"]]


def _allocatable(node: Object, resource: str) -> str:
    return str(((node.get("status") or {}).get("allocatable") or {}).get(resource, "0"))


def _kibibytes(quantity: str) -> int:
    unit = quantity[-2:]
    return int(quantity[:-2]) * _UNITS[unit] if unit in _UNITS else int(quantity or 0) // 1024


def _taint(world: World, cluster: Object, *, ready: bool) -> None:
    """Keep new workloads away from a member with a taint, as long as the member isn't ready."""
    current = cluster["spec"].get("taints") or []
    others = [taint for taint in current if taint.get("key") != _NOT_READY["key"]]
    wanted = others if ready else [*others, _NOT_READY]
    if wanted != current:
        world.patch(cluster, {"spec": {"taints": wanted or None}})


def _finish(world: World, namespace: Object) -> None:
    """Finish the deletion of an empty namespace. Its controller would wait five seconds, for several API servers."""
    path = f"/api/v1/namespaces/{namespace['metadata']['name']}/finalize"
    body = {**namespace, "spec": {"finalizers": []}}
    with contextlib.suppress(ApiError):  # it no longer exists, or its controller wrote it: the next pass tries again
        world.control_plane.request("PUT", path, doing=f"finishing {ref_of(namespace)}", body=body)


def _collect(world: World, cluster: Object) -> None:
    """Remove a Cluster in Karmada's order: its Works, the execution namespace, targets in bindings, the finalizer."""
    name = cluster["metadata"]["name"]
    namespace = ObjectRef("v1", "Namespace", execution_namespace(name))
    try:
        works = world.control_plane.list(WORK_API, "Work", namespace=namespace.name)
    except ApiError:
        works = []
    for work in works:
        if not deleting(work):
            world.control_plane.delete(ObjectRef(WORK_API, "Work", work["metadata"]["name"], namespace.name))
    if works:
        return
    found = world.control_plane.find(namespace)
    if found is not None:
        if not deleting(found):
            world.control_plane.delete(namespace, propagation="Background")
        elif cluster["spec"].get("syncMode") != "Pull":  # in pull mode it contains the agent's rights
            _finish(world, found)
        return
    for binding in bindings(world.control_plane):
        if any(target["name"] == name for target in binding["spec"].get("clusters") or []):
            return
    world.drop_finalizer(cluster, CLUSTER_FINALIZER)
