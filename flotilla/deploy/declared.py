"""What a stack declares, cluster by cluster, as its last `up` left it in the state."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from flotilla.engine.goal import keep_ignored
from flotilla.karmada.joining.join import controller_account
from flotilla.karmada.names import CLUSTER_NAMESPACE, cluster_of
from flotilla.karmada.status.rollout import RolloutCheck
from flotilla.karmada.waves.record import reference
from flotilla.karmada.waves.subject import ROLLOUT
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.plan.members import CLUSTER_TYPE
from flotilla.plan.rollouts import rollouts_of
from flotilla.providers.releases import RELEASE
from flotilla.state.checkpoint import Snapshot
from flotilla.state.urns import provider_of
from flotilla.state.values import Properties

CONTROL_PLANE = "karmada"
MEMBER_TYPES = ("flotilla:index:PushMember", "flotilla:index:PullMember")
_PROVIDER = "pulumi:providers:kubernetes"
_HOLD = "pulumi-python:dynamic/flotilla:Hold"


@dataclass(frozen=True)
class Declared:
    """One stack."""

    kubeconfigs: dict[str, str] = field(default_factory=dict)
    """Administrator's kubeconfig by cluster; the control plane is `karmada`."""
    objects: dict[str, list[Object]] = field(default_factory=dict)
    """Declared objects by cluster."""
    answers: dict[str, dict[ObjectRef, Properties]] = field(default_factory=dict)
    """By cluster and object: what the API server answered to its last write, as the state keeps it."""
    releases: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Helm releases by cluster: namespace and name."""
    rollouts: dict[str, RolloutCheck] = field(default_factory=dict)
    """What each workload declares, by its name."""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What of a workload was declared and never created, by the workload's name."""
    waves: dict[str, ObjectRef] = field(default_factory=dict)
    """Of workloads that change in waves: where the record of a change that is under way is, by the workload's name."""
    members: tuple[str, ...] = ()
    """The members, by the names of their Clusters."""

    @property
    def clusters(self) -> tuple[str, ...]:
        """Every cluster that something is declared for, whether or not there is a kubeconfig of it."""
        return tuple(sorted({*self.kubeconfigs, *self.objects, *self.releases, *self.members} - {""}))

    def account(self, member: str) -> tuple[str, str]:
        """Return the account of Karmada's controllers in a member: namespace and name."""
        name = controller_account(member)
        for obj in self.objects.get(member, []):
            if obj["kind"] == "ServiceAccount" and obj["metadata"]["name"] == name:
                return obj["metadata"].get("namespace", CLUSTER_NAMESPACE), name
        return CLUSTER_NAMESPACE, name


def declared(snapshot: Snapshot) -> Declared:
    """Read a stack's state. What is about to be deleted, and what only was read, is not declared.

    An object whose creation had begun is: nobody knows what became of it until somebody looks.
    """
    kubeconfigs: dict[str, str] = {}
    objects: dict[str, list[Object]] = {}
    answers: dict[str, dict[ObjectRef, Properties]] = {}
    releases: dict[str, list[tuple[str, str]]] = {}
    waves: dict[str, ObjectRef] = {}
    members = []
    standing = {resource.urn for resource in snapshot.resources}
    begun = [o.resource for o in snapshot.pending if o.type == "creating" and o.resource.urn not in standing]
    for resource in (*snapshot.resources, *begun):
        if resource.delete or resource.external:
            continue
        inputs: Any = resource.plain
        cluster = cluster_of(provider_of(resource.provider))
        if resource.type == _PROVIDER:
            kubeconfigs[cluster_of(resource.name)] = str(inputs["kubeconfig"])
        elif resource.type == RELEASE:
            releases.setdefault(cluster, []).append((str(inputs["namespace"]), str(inputs["name"])))
        elif resource.type == _HOLD:
            waves[str(inputs["workload"])] = reference(*inputs[ROLLOUT]["record"])
        elif resource.type.startswith("kubernetes:"):
            # Fields that are left to others are not declared.
            obj = stored(keep_ignored(inputs, {}, resource.ignore_changes))
            objects.setdefault(cluster, []).append(obj)
            answers.setdefault(cluster, {})[ref_of(obj)] = resource.outputs
            if resource.type == CLUSTER_TYPE:
                members.append(str(inputs["metadata"]["name"]))
    workloads = rollouts_of(snapshot, begun)
    return Declared(
        kubeconfigs, objects, answers, releases, workloads.checks, workloads.missing, waves, tuple(sorted(members))
    )


def stored(manifest: Object) -> Object:
    """Return an object as the server keeps it: a Secret's stringData becomes data, its base64 has no line breaks."""
    if manifest.get("kind") != "Secret":
        return manifest
    plain = manifest.get("stringData") or {}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    held = {key: "".join(str(value).split()) for key, value in (manifest.get("data") or {}).items()}
    body = {key: value for key, value in manifest.items() if key not in ("stringData", "data")}
    return {**body, "data": {**held, **encoded}} if held or encoded else body
