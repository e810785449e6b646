"""A cluster that the `kind` command creates, as a dynamic resource."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, ResourceProvider

from flotilla.kube.kind import Kind

from .whole_numbers import whole_numbers


class KindClusterArgs(TypedDict):
    """The arguments for `kind`."""

    config: dict[str, Any]
    """The configuration (kind.x-k8s.io/v1alpha4), with the cluster's name."""
    runtime: NotRequired[str]
    """docker (the default), podman or nerdctl."""
    wait: NotRequired[int]
    """Seconds to wait until its nodes are ready; 300 by default."""


@whole_numbers
class KindClusterProvider(ResourceProvider):
    """Creates, reads and deletes clusters; kind can't change a cluster, so every change replaces it."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Run `kind create cluster`."""
        name = props["config"]["name"]
        kubeconfig = Kind(props["runtime"]).create(name, props["config"], wait=int(props["wait"]))
        return CreateResult(id_=name, outs={**props, "kubeconfig": kubeconfig})

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Replace the cluster on every change; two clusters can't have the same name at the same time."""
        changed = [key for key in ("config", "runtime") if olds.get(key) != news.get(key)]
        return DiffResult(changes=bool(changed), replaces=changed, delete_before_replace=True)

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Look whether the cluster still exists."""
        kind = Kind(props["runtime"])
        if id_ not in kind.clusters():
            return ReadResult("", {})
        return ReadResult(id_, {**props, "kubeconfig": kind.kubeconfig(id_)})

    def delete(self, id_: str, props: dict[str, Any]) -> None:
        """Run `kind delete cluster`."""
        Kind(props["runtime"]).delete(id_)


class _Cluster(Resource, module="flotilla", name="Kind"):
    kubeconfig: pulumi.Output[str]


class KindCluster(pulumi.ComponentResource):
    """A cluster of containers on this machine; its kubeconfig is a secret."""

    kubeconfig: pulumi.Output[str]
    """Kubeconfig for clients on this machine; a secret."""

    def __init__(self, name: str, args: KindClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the cluster named `name`."""
        super().__init__("flotilla:index:KindCluster", name, None, opts)
        props = {
            "config": args["config"],
            "runtime": args.get("runtime", "docker"),
            "wait": args.get("wait", 300),
            "kubeconfig": None,
        }
        child = pulumi.ResourceOptions(parent=self, additional_secret_outputs=["kubeconfig"])
        cluster = _Cluster(KindClusterProvider(), f"{name}-kind", props, child)
        self.kubeconfig = pulumi.Output.secret(cluster.kubeconfig)
        self.register_outputs({"kubeconfig": self.kubeconfig})
