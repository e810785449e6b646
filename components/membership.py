"""The end of a pull-mode join, and the beginning of its leave."""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, UpdateResult

from flotilla.karmada.joining.membership import await_member, drain
from flotilla.kube.connection import connect


class MembershipProvider(ResourceProvider):
    """Waits until the member is Ready; before anything of it goes, drains it."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Wait."""
        _await(props)
        return CreateResult(id_=str(props["member"]), outs=props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Wait again after another agent; another cluster is another membership, and the one before is drained."""
        another = olds.get("clusterId") not in (None, news.get("clusterId"))
        changed = any(olds.get(key) != news.get(key) for key in ("agent", "controlPlane", "clusterId"))
        replaces = ["clusterId"] if another else []
        return DiffResult(changes=changed, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Wait again."""
        _await(news)
        return UpdateResult(outs=news)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Drain."""
        drain(connect(props["controlPlane"], name="Karmada"), str(props["member"]), float(props["timeout"]))


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
