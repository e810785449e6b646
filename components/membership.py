"""The end of a pull-mode join, and the beginning of a leave."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.karmada.joining.abandon import remove_cluster
from flotilla.karmada.joining.membership import await_member, drain
from flotilla.karmada.joining.renaming import has_joined_elsewhere
from flotilla.kube.connection import connect

from .whole_numbers import whole_numbers


@whole_numbers
class MembershipProvider(ResourceProvider):
    """Waits until the member is Ready, and drains it before anything of it is deleted."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait until the member is Ready."""
        _await(props)
        return CreateResult(id_=str(props["member"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Report a change, and so another wait, for another agent.

        Another cluster replaces the membership, and the former one is drained first. Another name replaces it, too, but
        then the former membership is deleted last, because its copies pass to the new name.
        """
        another = olds.get("clusterId") not in (None, news.get("clusterId"))
        renamed = olds.get("member") != news.get("member")
        changed = any(olds.get(key) != news.get(key) for key in ("agent", "controlPlane"))
        replaces = [key for key, replaced in (("clusterId", another), ("member", renamed)) if replaced]
        return DiffResult(changes=changed or bool(replaces), replaces=replaces, delete_before_replace=another)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait until the member is Ready again."""
        _await(news)
        return UpdateResult(outs=news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Drain the member. If the cluster has joined under another name, only delete its Cluster; its copies stay."""
        connection, member = connect(props["controlPlane"], name="Karmada"), str(props["member"])
        cluster_id = str(props.get("clusterId") or "")
        if has_joined_elsewhere(connection, member, cluster_id):
            remove_cluster(connection, member, cluster_id)
        else:
            drain(connection, member, float(props["timeout"]))


def _await(props: dict[str, Any]) -> None:
    await_member(connect(props["controlPlane"], name="Karmada"), str(props["member"]), float(props["timeout"]))


class Membership(Resource, module="flotilla", name="Membership"):
    """A pull-mode member that is Ready; depends on its agent."""

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions) -> None:
        """Declare the wait.

        Args:
            name: the resource's name.
            props: controlPlane (administrator's kubeconfig), member, agent (a fingerprint of it), clusterId (the
                member's UID), timeout (seconds).
            opts: resource options.
        """
        super().__init__(MembershipProvider(), name, props, opts)
