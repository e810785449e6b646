"""The common part of both modes of joining: access in the member, credentials and the Cluster in the control plane.

A member can change its mode in place and keep its workloads, because these objects are the same in both modes.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s

from flotilla.errors import FlotillaError
from flotilla.karmada.joining import join
from flotilla.stack.members import Member as MemberModel

from .cluster_identity import ClusterIdentity, Cordon, Former, Probe, conflict, probe
from .karmada_control_plane import KarmadaControlPlane
from .kubernetes_object import KubernetesObject
from .providers import cluster_provider

PUSH = "flotilla:index:PushMember"
PULL = "flotilla:index:PullMember"


class MemberArgs(TypedDict):
    """How the member is reached, and how Karmada is configured for it."""

    control_plane: KarmadaControlPlane
    """The control plane that it joins."""
    member: MemberModel
    """The member as in the stack file; its kubeconfig there is the source of the text below."""
    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the member, as text with certificates inline; treated as a secret."""
    api_endpoint: pulumi.Input[str]
    """The URL that Karmada dials, with its scheme: the member's, or the kubeconfig's server."""
    others: NotRequired[Mapping[str, pulumi.Input[Probe]]]
    """The answers of other members of the stack: none of them may be the same cluster."""


class Member(pulumi.ComponentResource):
    """A member, in either mode."""

    name: pulumi.Output[str]
    """The Cluster's name, resolved once the member is Ready."""

    cluster_id: pulumi.Output[str]
    """UID of the member's kube-system namespace."""

    found: pulumi.Output[Probe]
    """The member's answer in this run."""

    provider: k8s.Provider
    """Provider for objects in the member."""

    joined: pulumi.Resource
    """A resource that depends on this one runs after the member is Ready, and is deleted before the member leaves."""

    renamed: pulumi.Resource | None
    """A resource that depends on this one changes nothing before Karmada has lost access under the former name."""

    @property
    def expected(self) -> pulumi.Output[dict[str, str]]:
        """What a workload's rollout needs to know of this member: `id`, and `unanswered`, why it can't wait for it."""
        failed = self.joined.urn.apply(lambda _: "").recover(lambda _: "its join failed in this run")
        known = pulumi.Output.all(self.found, self.cluster_id.recover(lambda _: ""), failed)
        return known.apply(lambda k: {"id": k[1], "unanswered": k[0]["unanswered"] or k[2]})


@dataclass(frozen=True)
class Joined:
    """The result of `declare_join`."""

    cluster: KubernetesObject
    """The Cluster in the control plane."""
    member: Declarations
    """Declares more objects in the member."""
    control_plane: Declarations
    """Declares more objects in the control plane."""


def declare_join(component: Member, name: str, args: MemberArgs, *, mode: str, refused: str = "") -> Joined:
    """Declare access, credentials and the Cluster; set the component's `cluster_id` and `provider`.

    `refused` is the reason why the member can't be renamed; empty where it can.

    The order is: the member's accounts, tokens and rights; the control plane's Secrets; the Cluster. A destroy has the
    reverse order: it deletes the Cluster first and waits until it is gone, while its credentials and rights still
    exist.
    """
    kubeconfig = pulumi.Output.secret(args["kubeconfig"])
    component.found = probe(kubeconfig, name)
    twin = pulumi.Output.all(component.found, dict(args.get("others") or {})).apply(_twin)
    inside = pulumi.ResourceOptions(parent=component)
    given = args["member"]
    joined = conflict(name, kubeconfig, component.found, args["control_plane"].joined, given.namespace)
    former: Former | None = None
    if given.formerly:
        former = {
            "former": given.formerly,
            "controlPlane": args["control_plane"].kubeconfig,
            "kubeconfig": kubeconfig,
            "agentNamespace": given.agent.namespace if mode == "Pull" else "",
            "refused": refused,
        }
    cordon: Cordon | None = None
    if given.maintenance:
        cordon = {"cordoned": True, "controlPlane": args["control_plane"].kubeconfig}
    identity = ClusterIdentity(name, component.found, inside, same_as=twin, joined=joined, former=former, cordon=cordon)
    component.cluster_id = identity.uid
    component.renamed = identity if given.formerly else None
    component.provider = cluster_provider(name, kubeconfig, identity, component)
    member = Declarations(name, pulumi.ResourceOptions(parent=component, provider=component.provider))
    control_plane = Declarations(
        name, pulumi.ResourceOptions(parent=component, provider=args["control_plane"].provider)
    )
    tokens = _declare_access(member, name, given)
    credentials = _declare_credentials(control_plane, name, given, *tokens)
    manifest = join.cluster(
        name,
        sync_mode=mode,
        cluster_id=identity.uid,
        api_endpoint=args["api_endpoint"],
        labels=dict(given.labels),
        provider=given.provider,
        region=given.region,
        zones=list(given.zones),
        taints=[taint.model_dump(mode="json", exclude_defaults=True) for taint in given.all_taints],
        maintenance=given.maintenance.annotation if given.maintenance else "",
        proxy_url=given.proxy_url,
        insecure_skip_tls_verify=given.insecure_skip_tls_verify,
        ready_timeout=given.ready_timeout,
    )
    # If another cluster gets the name of a joined one, the former Cluster has to leave first, so that its copies are
    # deleted and Karmada sends everything to the new cluster. If the same cluster gets another name, the new Cluster
    # joins before the former one is deleted: the copies pass from one to the other.
    replacing = pulumi.ResourceOptions(replace_on_changes=["spec.id"], delete_before_replace=not given.formerly)
    cluster = control_plane.declare("cluster", manifest, depends_on=[*credentials, *member.declared], opts=replacing)
    return Joined(cluster, member, control_plane)


def _twin(known: list[Any]) -> str:
    """Return the name of another member that is the same cluster; empty where there is none."""
    own, others = known
    return next((name for name, other in sorted(others.items()) if own["uid"] and other["uid"] == own["uid"]), "")


def mode_alias(opts: pulumi.ResourceOptions | None, type_: str) -> pulumi.ResourceOptions:
    """Return options with an alias that matches a member of the other mode, so that it counts as the same resource."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=type_)]))


class Declarations:
    """Declares objects of one cluster as children of one component, and remembers them in order."""

    def __init__(self, prefix: str, opts: pulumi.ResourceOptions) -> None:
        """Store the common prefix of the names, and the options with parent and provider."""
        self._prefix = prefix
        self._opts = opts
        self.declared: list[KubernetesObject] = []

    def declare(
        self,
        suffix: str,
        manifest: dict[str, Any],
        *,
        depends_on: list[Any] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> KubernetesObject:
        """Declare one object."""
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=depends_on or []))
        merged = pulumi.ResourceOptions.merge(self._opts, after)
        self.declared.append(KubernetesObject(f"{self._prefix}-{suffix}", manifest, merged))
        return self.declared[-1]


def _declare_access(member: Declarations, name: str, given: MemberModel) -> tuple[KubernetesObject, KubernetesObject]:
    """Declare accounts, rights and tokens in the member; return the two token Secrets."""
    within = given.namespace
    first = []
    if given.create_namespace:
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
    control_plane: Declarations,
    name: str,
    given: MemberModel,
    token: KubernetesObject,
    impersonator_token: KubernetesObject,
) -> list[KubernetesObject]:
    """Declare the control plane's Secrets from the member's tokens, which are secret outputs and stay secret."""
    encoded = base64.b64encode(given.ca_bundle.encode()).decode() if given.ca_bundle else None

    def credentials(data: dict[str, str] | None) -> dict[str, str]:
        filled = _filled(data, name)
        return {"token": filled["token"], "caBundle": encoded or filled["ca.crt"]}

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
    """Return a token Secret's data. Providers that don't wait for it (before 4.0) return it empty."""
    if not data or "token" not in data:
        raise FlotillaError(
            f"{member}: its token controller has not filled a token Secret of the join yet",
            hint="run `up` again; if that doesn't help, look at the member's kube-controller-manager",
        )
    return data
