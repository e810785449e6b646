"""A cluster that joins in push mode: everything that a join leaves behind, as single objects."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s

from components.cluster_identity import cluster_identity
from components.karmada_control_plane import KarmadaControlPlane
from components.kubernetes_object import KubernetesObject
from components.providers import cluster_provider
from flotilla.errors import FlotillaError
from flotilla.karmada import join
from flotilla.karmada.names import CLUSTER_NAMESPACE


class PushMemberArgs(TypedDict):
    """How the member is reached and what Karmada is told about it."""

    control_plane: KarmadaControlPlane
    """The control plane that it joins."""
    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the member, as text with certificates inline; treated as a secret."""
    api_endpoint: pulumi.Input[str]
    """The URL that Karmada dials, with its scheme."""
    cluster_id: NotRequired[pulumi.Input[str]]
    """UID of the member's kube-system namespace; read from the member where it isn't given."""
    labels: NotRequired[Mapping[str, str]]
    """Labels of the Cluster."""
    cloud_provider: NotRequired[str]
    """Cloud provider."""
    region: NotRequired[str]
    """Region."""
    zones: NotRequired[list[str]]
    """Zones."""
    taints: NotRequired[list[dict[str, str]]]
    """Cluster taints: key, value, effect."""
    ca_bundle: NotRequired[str]
    """PEM certificates that verify `api_endpoint`; the member's own CA by default."""
    insecure_skip_tls_verify: NotRequired[bool]
    """Don't verify the member's certificate."""
    proxy_url: NotRequired[str]
    """Proxy through which Karmada dials the member."""
    namespace: NotRequired[str]
    """Namespace of the join objects in the member; `karmada-cluster` by default."""
    create_namespace: NotRequired[bool]
    """Create that namespace (the default), or use one that is there and leave it."""
    ready_timeout: NotRequired[int]
    """Seconds to wait until the member is Ready; 180 by default."""


class PushMember(pulumi.ComponentResource):
    """A member whose objects Karmada's controllers apply by dialling it.

    Order on the way in: the member's accounts, tokens and rights; the control plane's Secrets; the Cluster. A destroy
    goes the other way: the Cluster first, waiting until it is gone with its credentials and rights still in place,
    for the controllers need them to remove the workloads.
    """

    name: pulumi.Output[str]
    """The Cluster's name, resolved once the member is Ready."""

    cluster_id: pulumi.Output[str]
    """UID of the member's kube-system namespace."""

    provider: k8s.Provider
    """Provider for objects in the member."""

    cluster: KubernetesObject
    """The Cluster in the control plane; depend on it to run after the member is Ready."""

    def __init__(self, name: str, args: PushMemberArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the join of the cluster called `name`."""
        super().__init__("flotilla:index:PushMember", name, None, opts)
        kubeconfig = pulumi.Output.secret(args["kubeconfig"])
        given_id = args.get("cluster_id")
        self.cluster_id = cluster_identity(kubeconfig, name) if given_id is None else pulumi.Output.from_input(given_id)
        self.provider = cluster_provider(name, kubeconfig, self)
        member = _Declarations(name, pulumi.ResourceOptions(parent=self, provider=self.provider))
        control_plane = _Declarations(
            name, pulumi.ResourceOptions(parent=self, provider=args["control_plane"].provider)
        )
        tokens = _declare_access(member, name, args)
        credentials = _declare_credentials(control_plane, name, args, *tokens)
        self.cluster = control_plane.declare(
            "cluster", self._cluster_manifest(name, args), depends_on=[*credentials, *member.declared]
        )
        self.name = self.cluster.metadata.apply(lambda metadata: str(metadata["name"]))
        self.register_outputs({"name": self.name, "clusterId": self.cluster_id})

    def _cluster_manifest(self, name: str, args: PushMemberArgs) -> dict[str, Any]:
        return join.cluster(
            name,
            cluster_id=self.cluster_id,
            api_endpoint=args["api_endpoint"],  # type: ignore[arg-type]
            labels=dict(args.get("labels") or {}),
            provider=args.get("cloud_provider"),
            region=args.get("region"),
            zones=args.get("zones"),
            taints=args.get("taints"),
            proxy_url=args.get("proxy_url"),
            insecure_skip_tls_verify=args.get("insecure_skip_tls_verify", False),
            ready_timeout=args.get("ready_timeout", 180),
        )


class _Declarations:
    """Declares objects of one cluster as children of one component, and keeps them in order."""

    def __init__(self, prefix: str, opts: pulumi.ResourceOptions) -> None:
        self._prefix = prefix
        self._opts = opts
        self.declared: list[KubernetesObject] = []

    def declare(
        self, suffix: str, manifest: dict[str, Any], *, depends_on: list[Any] | None = None
    ) -> KubernetesObject:
        opts = pulumi.ResourceOptions.merge(self._opts, pulumi.ResourceOptions(depends_on=depends_on or []))
        self.declared.append(KubernetesObject(f"{self._prefix}-{suffix}", manifest, opts))
        return self.declared[-1]


def _declare_access(
    member: _Declarations, name: str, args: PushMemberArgs
) -> tuple[KubernetesObject, KubernetesObject]:
    """Declare accounts, rights and tokens in the member; return the two token Secrets."""
    within = args.get("namespace", CLUSTER_NAMESPACE)
    first = []
    if args.get("create_namespace", True):
        first.append(member.declare("namespace", join.namespace(within)))
    account = join.controller_account(name)
    controller = member.declare("account", join.service_account(account, within=within), depends_on=first)
    impersonator = member.declare(
        "impersonator", join.service_account(join.IMPERSONATOR, within=within), depends_on=first
    )
    role = member.declare("role", join.cluster_role(name))
    binding = member.declare(
        "role-binding", join.cluster_role_binding(name, within=within), depends_on=[role, controller]
    )
    token = member.declare("token", join.token_secret(account, within=within), depends_on=[controller, binding])
    impersonator_token = member.declare(
        "impersonator-token", join.token_secret(join.IMPERSONATOR, within=within), depends_on=[impersonator]
    )
    return token, impersonator_token


def _declare_credentials(
    control_plane: _Declarations,
    name: str,
    args: PushMemberArgs,
    token: KubernetesObject,
    impersonator_token: KubernetesObject,
) -> list[KubernetesObject]:
    """Declare the control plane's Secrets from the member's tokens, which are secret outputs and stay secret."""
    ca_bundle = args.get("ca_bundle")
    encoded = base64.b64encode(ca_bundle.encode()).decode() if ca_bundle else None

    def credentials(data: dict[str, str] | None) -> dict[str, str]:
        held = _filled(data, name)
        return {"token": held["token"], "caBundle": encoded or held["ca.crt"]}

    def impersonation(data: dict[str, str] | None) -> dict[str, str]:
        return {"token": _filled(data, name)["token"]}

    return [
        control_plane.declare("credentials", join.credentials(name, token.data.apply(credentials))),
        control_plane.declare(
            "impersonator-credentials",
            join.impersonator_credentials(name, impersonator_token.data.apply(impersonation)),
        ),
    ]


def _filled(data: dict[str, str] | None, member: str) -> dict[str, str]:
    """Return a token Secret's data. Providers that don't wait for it (before 4.0) hand it out empty."""
    if not data or "token" not in data:
        raise FlotillaError(
            f"{member}: its token controller has not filled a token Secret of the join yet",
            hint="run `up` again; if it stays so, look at the member's kube-controller-manager",
        )
    return data
