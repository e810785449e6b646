"""The Karmada control plane: members join it, and workloads are declared in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s

from flotilla.karmada.installing.chart import RELEASE, SYSTEM_NAMESPACE
from flotilla.karmada.installing.chart_values import Pki

from .cluster_identity import ClusterIdentity, joined_clusters, probe
from .control_plane_pki import ControlPlanePki, ControlPlanePkiArgs
from .installation import HostState, Ready, UninstallGuard
from .kubernetes_object import KubernetesObject
from .providers import cluster_provider


class ReleaseArgs(TypedDict):
    """How Karmada is installed with its Helm chart."""

    host_kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the host cluster; treated as a secret."""
    server: str
    """The URL at which Karmada's API server is published."""
    chart: str
    """Name, path or OCI reference of the chart."""
    repository: NotRequired[str]
    """URL of the chart's repository, for a chart given by name."""
    chart_version: NotRequired[str]
    """The chart's version."""
    certificates: NotRequired[ControlPlanePkiArgs]
    """The stack's own certificates; without them the chart's job makes certificates."""
    values: Callable[[Pki | None], dict[str, Any]]
    """A function that returns the chart's values, given the certificates."""
    create_namespace: NotRequired[bool]
    """Create karmada-system (the default), or use the existing namespace and keep it on a destroy."""
    timeout: NotRequired[int]
    """Seconds until everything runs; 900 by default."""


class KarmadaControlPlaneArgs(TypedDict):
    """An existing control plane, or one to install: exactly one of the two."""

    kubeconfig: NotRequired[pulumi.Input[str]]
    """Administrator's kubeconfig, as text with certificates inline; treated as a secret."""
    release: NotRequired[ReleaseArgs]
    """How to install Karmada."""


class KarmadaControlPlane(pulumi.ComponentResource):
    """A Karmada control plane, with the provider through which all objects in it are declared."""

    kubeconfig: pulumi.Output[str]
    """Kubeconfig of Karmada's API server, with its published address; a secret. Resolved once Karmada is ready."""

    provider: k8s.Provider
    """Provider for objects in the control plane."""

    cluster_id: pulumi.Output[str]
    """UID of its kube-system namespace."""

    joined: pulumi.Output[dict[str, str] | None]
    """The names of its current Clusters, by their UID; None where it doesn't answer."""

    def __init__(self, name: str, args: KarmadaControlPlaneArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the control plane."""
        super().__init__("flotilla:index:KarmadaControlPlane", name, None, opts)
        release = args.get("release")
        known = args.get("kubeconfig")
        if (release is None) == (known is None):
            raise ValueError("a control plane needs exactly one of kubeconfig and release")
        kubeconfig = self._install(name, release) if release else known
        self.kubeconfig = pulumi.Output.secret(kubeconfig)  # type: ignore[arg-type]
        identity = ClusterIdentity(name, probe(self.kubeconfig, name), pulumi.ResourceOptions(parent=self))
        self.cluster_id = identity.uid
        self.joined = joined_clusters(self.kubeconfig)
        self.provider = cluster_provider(name, self.kubeconfig, identity, self)
        self.register_outputs({"kubeconfig": self.kubeconfig})

    def _install(self, name: str, args: ReleaseArgs) -> pulumi.Output[str]:
        """Declare the release and what surrounds it; return the administrator's kubeconfig once Karmada is ready."""
        host_kubeconfig = pulumi.Output.secret(args["host_kubeconfig"])
        timeout = args.get("timeout", 900)
        inside = pulumi.ResourceOptions(parent=self)
        host = f"{name}-host"
        provider = cluster_provider(
            host, host_kubeconfig, ClusterIdentity(host, probe(host_kubeconfig, host), inside), self
        )
        on_host = pulumi.ResourceOptions(parent=self, provider=provider)
        first: list[pulumi.Resource] = []
        if args.get("create_namespace", True):
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}}
            first.append(KubernetesObject(f"{name}-namespace", manifest, on_host))
        first.append(HostState(f"{name}-host-state", host_kubeconfig, _after(inside, first)))
        settings = args.get("certificates")
        pki = ControlPlanePki(f"{name}-pki", settings, inside) if settings else None
        values = args["values"](pki.chart if pki else None)
        release = k8s.helm.v3.Release(
            f"{name}-release",
            k8s.helm.v3.ReleaseArgs(
                name=RELEASE,
                namespace=SYSTEM_NAMESPACE,
                chart=args["chart"],
                version=args.get("chart_version"),
                repository_opts=k8s.helm.v3.RepositoryOptsArgs(repo=args["repository"])
                if args.get("repository")
                else None,
                values=values,
                atomic=True,
                timeout=timeout,
            ),
            _after(on_host, first),
        )
        last: list[pulumi.Resource] = [release]
        if pki is None:
            last.append(UninstallGuard(f"{name}-uninstall-guard", host_kubeconfig, _after(inside, last)))
        ready = Ready(
            f"{name}-ready",
            {
                "host": host_kubeconfig,
                "credentials": pki.kubeconfig(args["server"]) if pki else "",
                "own": pki is not None,
                "server": args["server"],
                "release": _fingerprint(values, args),
                "timeout": timeout,
            },
            _after(inside, last),
        )
        return ready.kubeconfig


def _after(opts: pulumi.ResourceOptions, resources: list[pulumi.Resource]) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(resources)))


def _fingerprint(values: dict[str, Any], args: ReleaseArgs) -> pulumi.Output[str]:
    """Return a digest that changes with what is installed, and reveals nothing of it."""

    def digest(known: Any) -> str:
        text = json.dumps([known, args["chart"], args.get("chart_version")], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    return pulumi.Output.unsecret(pulumi.Output.from_input(values).apply(digest))
