"""The declaration of a stack by cluster, read from the state that its last `up` left."""

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
    """The declaration of one stack."""

    kubeconfigs: dict[str, str] = field(default_factory=dict)
    """The administrator's kubeconfig of each cluster; the control plane is `karmada`."""
    objects: dict[str, list[Object]] = field(default_factory=dict)
    """The declared objects by cluster."""
    answers: dict[str, dict[ObjectRef, Properties]] = field(default_factory=dict)
    """By cluster and object: the API server's answer to the last write, from the state."""
    releases: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Helm releases by cluster: namespace and name."""
    rollouts: dict[str, RolloutCheck] = field(default_factory=dict)
    """The declaration of each workload, by the workload's name."""
    missing: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The objects of a workload that were declared and never created, by the workload's name."""
    waves: dict[str, ObjectRef] = field(default_factory=dict)
    """For workloads that change in waves: the record of the change in progress, by the workload's name."""
    members: tuple[str, ...] = ()
    """The names of the members' Clusters."""

    @property
    def clusters(self) -> tuple[str, ...]:
        """All clusters for which something is declared, with or without a kubeconfig."""
        return tuple(sorted({*self.kubeconfigs, *self.objects, *self.releases, *self.members} - {""}))

    def account(self, member: str) -> tuple[str, str]:
        """Return the account of Karmada's controllers in a member: namespace and name."""
        name = controller_account(member)
        for obj in self.objects.get(member, []):
            if obj["kind"] == "ServiceAccount" and obj["metadata"]["name"] == name:
                return obj["metadata"].get("namespace", CLUSTER_NAMESPACE), name
        return CLUSTER_NAMESPACE, name


def declared(snapshot: Snapshot) -> Declared:
    """Read a stack's declaration from its state. Old copies of replaced resources, and external ones, are left out.

    An object whose creation was interrupted is included, since it may exist.
    """
    kubeconfigs: dict[str, str] = {}
    objects: dict[str, list[Object]] = {}
    answers: dict[str, dict[ObjectRef, Properties]] = {}
    releases: dict[str, list[tuple[str, str]]] = {}
    waves: dict[str, ObjectRef] = {}
    members = []
    existing = {resource.urn for resource in snapshot.resources}
    begun = [o.resource for o in snapshot.pending if o.type == "creating" and o.resource.urn not in existing]
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
            # Ignored fields are left to others, and so not declared.
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
    """Return an object as the server stores it: a Secret's stringData becomes data, and base64 has no line breaks."""
    if manifest.get("kind") != "Secret":
        return manifest
    plain = manifest.get("stringData") or {}
    encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    data = {key: "".join(str(value).split()) for key, value in (manifest.get("data") or {}).items()}
    body = {key: value for key, value in manifest.items() if key not in ("stringData", "data")}
    return {**body, "data": {**data, **encoded}} if data or encoded else body
