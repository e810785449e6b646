"""A cluster that joins in pull mode: the objects of a join, and an agent that dials Karmada."""

from __future__ import annotations

from typing import Any

import pulumi

from flotilla.karmada.joining import agent, join

from .agent_identity import AgentIdentity
from .join import PULL, PUSH, Joined, Member, MemberArgs, declare_join, mode_alias
from .kubernetes_object import KubernetesObject
from .membership import Membership


class PullMemberArgs(MemberArgs):
    """How the stack reaches the member, and the version of its agent."""

    karmada_version: str
    """Karmada's version, which is also the agent's version."""


class PullMember(Member):
    """A member whose agent applies the objects that Karmada has for it; Karmada doesn't dial it for that.

    A destroy first drains the member, while its agent still has its rights. Then the Cluster is deleted, then the rest.
    """

    cluster: KubernetesObject
    """The Cluster in the control plane."""

    def __init__(self, name: str, args: PullMemberArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the join of the cluster named `name`."""
        super().__init__(PULL, name, None, mode_alias(opts, PUSH))
        control_plane, given = args["control_plane"].kubeconfig, args["member"]
        refused = agent.refuses_name(name, given.formerly, args["karmada_version"]) if given.formerly else ""
        joined = declare_join(self, name, args, mode="Pull", refused=refused)
        found = given.agent.as_found
        rights = _declare_rights(joined, name, args["karmada_version"], found=found)
        identity = None if found else self._identity(name, args)
        running = _declare_agent(joined, name, args, identity, rights)
        self.joined = Membership(
            f"{name}-membership",
            {
                "controlPlane": control_plane,
                "member": name,
                "agent": identity.fingerprint if identity else "",
                "clusterId": self.cluster_id,
                "timeout": given.ready_timeout,
            },
            pulumi.ResourceOptions(parent=self, depends_on=[running, *rights, joined.cluster]),
        )
        self.cluster = joined.cluster
        self.name = pulumi.Output.from_input(self.joined.id).apply(str)
        self.register_outputs({"name": self.name, "clusterId": self.cluster_id})

    def _identity(self, name: str, args: PullMemberArgs) -> AgentIdentity:
        settings = args["member"].agent
        props = {
            "controlPlane": args["control_plane"].kubeconfig,
            "member": name,
            "server": settings.control_plane_endpoint or "",
            "lifetimeDays": settings.lifetime_days,
            "renewBeforeDays": settings.renew_before_days,
        }
        return AgentIdentity(f"{name}-agent-identity", props, pulumi.ResourceOptions(parent=self))


def _declare_rights(joined: Joined, name: str, version: str, *, found: bool) -> list[KubernetesObject]:
    """Declare the agent's rights in the control plane; the namespace of its Works exists once the Cluster exists."""
    at = joined.control_plane
    role = at.declare("agent-rights", agent.cluster_role(name, found=found))
    work_role = at.declare("agent-work-rights", agent.work_role(name), depends_on=[joined.cluster])
    rights = [
        role,
        work_role,
        at.declare("agent-rights-binding", agent.cluster_role_binding(name), depends_on=[role]),
        at.declare("agent-work-rights-binding", agent.work_role_binding(name), depends_on=[work_role]),
    ]
    if found or agent.needs_secrets(version):
        secret_role = at.declare("agent-secret-rights", agent.secret_role(name))
        binding = at.declare("agent-secret-rights-binding", agent.secret_role_binding(name), depends_on=[secret_role])
        rights += [secret_role, binding]
    return rights


def _declare_agent(
    joined: Joined, name: str, args: PullMemberArgs, identity: AgentIdentity | None, rights: list[KubernetesObject]
) -> KubernetesObject:
    """Declare the agent in the member, which starts after it has its rights; return its Deployment.

    Without an identity it is an agent that runs there already, whose Deployment and kubeconfig stay unchanged.
    """
    at = joined.member
    given, settings = args["member"], args["member"].agent
    namespace = settings.namespace
    first: list[Any] = []
    if settings.create_namespace:
        first.append(at.declare("agent-namespace", join.namespace(namespace)))
    account = at.declare("agent-account", agent.service_account(namespace), depends_on=first)
    role = at.declare("agent-role", agent.member_role())
    binding = at.declare("agent-role-binding", agent.member_role_binding(namespace), depends_on=[role, account])
    if identity is None:
        running = at.declare("agent", agent.found_deployment(namespace), depends_on=[binding, *rights, joined.cluster])
        at.declare("agent-kubeconfig", agent.found_secret(namespace), depends_on=[running])
        return running
    data = identity.kubeconfig.apply(lambda text: {agent.KUBECONFIG_SECRET: text})  # secret, like the kubeconfig
    secret = at.declare("agent-kubeconfig", agent.kubeconfig_secret(data, namespace), depends_on=first)
    manifest = agent.deployment(
        name,
        version=args["karmada_version"],
        endpoint=pulumi.Output.from_input(args["api_endpoint"]).apply(agent.endpoint_argument),
        identity=identity.fingerprint,
        namespace=namespace,
        image_name=settings.image,
        replicas=settings.replicas,
        resources=dict(settings.resources),
        provider=given.provider,
        region=given.region,
        zones=list(given.zones),
        proxy_url=given.proxy_url,
    )
    return at.declare("agent", manifest, depends_on=[binding, secret, *rights, joined.cluster])
