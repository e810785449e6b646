"""A cluster that joins in pull mode: the objects of a join, and an agent that dials Karmada."""

from __future__ import annotations

from typing import Any, NotRequired

import pulumi

from components.agent_identity import AgentIdentity
from components.join import PULL, PUSH, Joined, Member, MemberArgs, declare_join, formerly
from components.kubernetes_object import KubernetesObject
from components.membership import Membership
from flotilla.karmada.joining import agent, join


class PullMemberArgs(MemberArgs):
    """How the member is reached by the stack, what Karmada is told about it, and its agent."""

    karmada_version: str
    """Karmada's version, which the agent's follows."""
    agent_image: NotRequired[str]
    """Another image than Karmada's own."""
    agent_replicas: NotRequired[int]
    """One works, the others stand by; 1 by default."""
    agent_resources: NotRequired[dict[str, Any]]
    """Requests and limits."""
    agent_namespace: NotRequired[str]
    """Where it runs; karmada-system by default."""
    create_agent_namespace: NotRequired[bool]
    """Make that namespace (the default), or use one that is there and leave it."""
    control_plane_endpoint: NotRequired[str]
    """The URL of Karmada that the agent dials, where it differs from the stack's."""
    certificate_lifetime_days: NotRequired[int]
    """Of the agent's certificate; 365 by default."""
    renew_before_days: NotRequired[int]
    """What expires within so many days is renewed by the next `up`; 60 by default."""


class PullMember(Member):
    """A member in which an agent applies what Karmada has for it; Karmada never dials it to do so.

    A destroy drains the member first, while its agent still has its rights; then the Cluster goes, then the rest.
    """

    cluster: KubernetesObject
    """The Cluster in the control plane."""

    def __init__(self, name: str, args: PullMemberArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the join of the cluster called `name`."""
        super().__init__(PULL, name, None, formerly(opts, PUSH))
        joined = declare_join(self, name, args, mode="Pull")
        control_plane = args["control_plane"].kubeconfig
        identity = AgentIdentity(
            f"{name}-agent-identity",
            {
                "controlPlane": control_plane,
                "member": name,
                "server": args.get("control_plane_endpoint", ""),
                "lifetimeDays": args.get("certificate_lifetime_days", 365),
                "renewBeforeDays": args.get("renew_before_days", 60),
            },
            pulumi.ResourceOptions(parent=self),
        )
        rights = _declare_rights(joined, name, args["karmada_version"])
        running = _declare_agent(joined, name, args, identity, rights)
        self.joined = Membership(
            f"{name}-membership",
            {
                "controlPlane": control_plane,
                "member": name,
                "agent": identity.fingerprint,
                "clusterId": self.cluster_id,
                "timeout": args.get("ready_timeout", 180),
            },
            pulumi.ResourceOptions(parent=self, depends_on=[running, *rights, joined.cluster]),
        )
        self.cluster = joined.cluster
        self.name = pulumi.Output.from_input(self.joined.id).apply(str)
        self.register_outputs({"name": self.name, "clusterId": self.cluster_id})


def _declare_rights(joined: Joined, name: str, version: str) -> list[KubernetesObject]:
    """Declare what the agent may do in the control plane; the Cluster brings the namespace of its Works."""
    at = joined.control_plane
    role = at.declare("agent-rights", agent.cluster_role(name))
    work_role = at.declare("agent-work-rights", agent.work_role(name), depends_on=[joined.cluster])
    rights = [
        role,
        work_role,
        at.declare("agent-rights-binding", agent.cluster_role_binding(name), depends_on=[role]),
        at.declare("agent-work-rights-binding", agent.work_role_binding(name), depends_on=[work_role]),
    ]
    if agent.needs_secrets(version):
        secret_role = at.declare("agent-secret-rights", agent.secret_role(name))
        binding = at.declare("agent-secret-rights-binding", agent.secret_role_binding(name), depends_on=[secret_role])
        rights += [secret_role, binding]
    return rights


def _declare_agent(
    joined: Joined, name: str, args: PullMemberArgs, identity: AgentIdentity, rights: list[KubernetesObject]
) -> KubernetesObject:
    """Declare the agent in the member, which starts once it may do its work; return its Deployment."""
    at = joined.member
    namespace = args.get("agent_namespace", agent.NAMESPACE)
    first: list[Any] = []
    if args.get("create_agent_namespace", True):
        first.append(at.declare("agent-namespace", join.namespace(namespace)))
    account = at.declare("agent-account", agent.service_account(namespace), depends_on=first)
    role = at.declare("agent-role", agent.member_role())
    binding = at.declare("agent-role-binding", agent.member_role_binding(namespace), depends_on=[role, account])
    held = identity.kubeconfig.apply(lambda text: {agent.KUBECONFIG_SECRET: text})  # a secret, for the kubeconfig is
    secret = at.declare("agent-kubeconfig", agent.kubeconfig_secret(held, namespace), depends_on=first)
    manifest = agent.deployment(
        name,
        version=args["karmada_version"],
        endpoint=pulumi.Output.from_input(args["api_endpoint"]).apply(agent.endpoint_argument),
        identity=identity.fingerprint,
        namespace=namespace,
        image_name=args.get("agent_image"),
        replicas=args.get("agent_replicas", 1),
        resources=args.get("agent_resources"),
        provider=args.get("cloud_provider"),
        region=args.get("region"),
        zones=args.get("zones"),
        proxy_url=args.get("proxy_url"),
    )
    return at.declare("agent", manifest, depends_on=[binding, secret, *rights, joined.cluster])
