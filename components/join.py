"""What both modes of joining have in common: access in the member, credentials and the Cluster in the control plane.

A member changes its mode in place, keeping its workloads, for these objects are the same ones in both.
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
    """How the member is reached and what Karmada is told about it."""

    control_plane: KarmadaControlPlane
    """The control plane that it joins."""
    member: MemberModel
    """The member as the stack file has it; its kubeconfig there says where the text below comes from."""
    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the member, as text with certificates inline; treated as a secret."""
    api_endpoint: pulumi.Input[str]
    """The URL that Karmada dials, with its scheme: the member's, or the kubeconfig's server."""
    others: NotRequired[Mapping[str, pulumi.Input[Probe]]]
    """What other members of the stack said of themselves: none of them may be the same cluster."""


class Member(pulumi.ComponentResource):
    """A member, however it joins."""

    name: pulumi.Output[str]
    """The Cluster's name, resolved once the member is Ready."""

    cluster_id: pulumi.Output[str]
    """UID of the member's kube-system namespace."""

    found: pulumi.Output[Probe]
    """What the member said of itself in this run."""

    provider: k8s.Provider
    """Provider for objects in the member."""

    joined: pulumi.Resource
    """Depend on it to run after the member is Ready, and to be gone before it leaves."""

    renamed: pulumi.Resource | None
    """Depend on it to change nothing before Karmada has lost its access under the member's former name."""

    @property
    def expected(self) -> pulumi.Output[dict[str, str]]:
        """What a workload's rollout knows of this member: `id`, and in `unanswered` why it can't be waited for."""
        failed = self.joined.urn.apply(lambda _: "").recover(lambda _: "its join failed in this run")
        known = pulumi.Output.all(self.found, self.cluster_id.recover(lambda _: ""), failed)
        return known.apply(lambda k: {"id": k[1], "unanswered": k[0]["unanswered"] or k[2]})


@dataclass(frozen=True)
class Joined:
    """What `declare_join` has declared."""

    cluster: KubernetesObject
    """The Cluster in the control plane."""
    member: Declarations
    """For more objects in the member."""
    control_plane: Declarations
    """For more objects in the control plane."""


def declare_join(component: Member, name: str, args: MemberArgs, *, mode: str, refused: str = "") -> Joined:
    """Declare access, credentials and the Cluster; set the component's `cluster_id` and `provider`.

    `refused` is why the member can't have another name than before; empty where nothing is in the way.

    Order on the way in: the member's accounts, tokens and rights; the control plane's Secrets; the Cluster. A destroy
    goes the other way: the Cluster first, waiting until it is gone with its credentials and rights still in place.
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
    # Another cluster under the name of one that is joined: the one before has to leave, so that its copies go, and
    # Karmada sends everything to the new one. The same cluster under another name joins before the one of the former
    # name goes: its copies are to pass from one to the other.
    anew = pulumi.ResourceOptions(replace_on_changes=["spec.id"], delete_before_replace=not given.formerly)
    cluster = control_plane.declare("cluster", manifest, depends_on=[*credentials, *member.declared], opts=anew)
    return Joined(cluster, member, control_plane)


def _twin(known: list[Any]) -> str:
    """Return the name of another member that leads to the same cluster; empty where there is none."""
    own, others = known
    return next((name for name, said in sorted(others.items()) if own["uid"] and said["uid"] == own["uid"]), "")


def mode_alias(opts: pulumi.ResourceOptions | None, type_: str) -> pulumi.ResourceOptions:
    """Return options by which a member of the other mode is recognised as the same one."""
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=type_)]))


class Declarations:
    """Declares objects of one cluster as children of one component, and keeps them in order."""

    def __init__(self, prefix: str, opts: pulumi.ResourceOptions) -> None:
        """Take the names' common beginning, and the parent and provider."""
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
        """Declare one."""
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
