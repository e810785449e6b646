"""A cluster's identity: the UID of its kube-system namespace, read by the program and stored in the state.

If a cluster doesn't answer, the UID in the state is used, so that a dead cluster doesn't stop the others. If another
cluster answers than the one in the state, the identity is replaced, and with it everything in that cluster.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pulumi
from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    Resource,
    ResourceProvider,
    UpdateResult,
)
from pulumi.runtime.rpc import UNKNOWN

from flotilla.errors import FlotillaError
from flotilla.karmada.joining.cordoning import end_cordon
from flotilla.karmada.joining.joined import clusters_by_id, join_conflict
from flotilla.karmada.joining.renaming import Agent, cut_access
from flotilla.karmada.names import identity_name
from flotilla.kube.connection import connect
from flotilla.kube.identity import uid_of

from .whole_numbers import whole_numbers

_UID = "uid"
_CORDON = ("cordoned", "controlPlane")


class Former(TypedDict):
    """The former name of a member, and how to remove Karmada's access under it."""

    former: str
    controlPlane: pulumi.Input[str]
    """Administrator's kubeconfig of the control plane; a secret."""
    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the member; a secret."""
    agentNamespace: str
    """The namespace of its agent, in pull mode; empty in push mode."""
    refused: str
    """Why the member can't have another name; empty where it can."""


class Cordon(TypedDict):
    """A cordoned member, and how its cordon is removed once the stack no longer declares it."""

    cordoned: bool
    controlPlane: pulumi.Input[str]
    """Administrator's kubeconfig of the control plane; a secret."""


class Probe(TypedDict):
    """A cluster's answer: its UID, or the reason why it didn't answer."""

    uid: str
    unanswered: str


def read_identity(kubeconfig: str, name: str) -> Probe:
    """Ask a cluster for the UID of its kube-system namespace, within a few seconds; never raises."""
    try:
        return {"uid": uid_of(connect(kubeconfig, name=name)), "unanswered": ""}
    except FlotillaError as error:
        return {"uid": "", "unanswered": error.message}


def probe(kubeconfig: pulumi.Output[str], name: str) -> pulumi.Output[Probe]:
    """Return a cluster's answer as a plain output; unknown in a preview while the kubeconfig is unknown."""

    async def ask(text: str) -> Probe:
        return await asyncio.to_thread(read_identity, text, name)

    found: pulumi.Output[Probe] = pulumi.Output.unsecret(kubeconfig.apply(ask))
    return found


def joined_clusters(kubeconfig: pulumi.Output[str]) -> pulumi.Output[dict[str, str] | None]:
    """Return the names of a control plane's Clusters by UID; None where it doesn't answer."""

    async def ask(text: str) -> dict[str, str] | None:
        return await asyncio.to_thread(lambda: clusters_by_id(connect(text, name="Karmada")))

    found: pulumi.Output[dict[str, str] | None] = pulumi.Output.unsecret(kubeconfig.apply(ask))
    return found


def conflict(
    name: str,
    kubeconfig: pulumi.Output[str],
    found: pulumi.Output[Probe],
    known: pulumi.Output[dict[str, str] | None],
    namespace: str,
) -> pulumi.Output[str]:
    """Return why a cluster can't join as `name` for the first time; empty where nothing prevents it."""

    async def ask(parts: list[Any]) -> str:
        text, answer, clusters = parts
        if not answer["uid"]:
            return ""
        member = connect(text, name=name)
        return await asyncio.to_thread(join_conflict, name, answer["uid"], clusters, member, namespace)

    reason: pulumi.Output[str] = pulumi.Output.unsecret(pulumi.Output.all(kubeconfig, found, known).apply(ask))
    return reason


@whole_numbers
class ClusterIdentityProvider(ResourceProvider):
    """Stores a cluster's UID in the state; creates nothing, so there is nothing to delete.

    It also stores that a member is cordoned. When that ends, the taint has to be removed before workloads wait for the
    member. The resource of the Cluster can't do this: the taint may have another owner by then
    (`flotilla.karmada.joining.cordoning`).
    """

    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Use the state's UID where the cluster didn't answer; reject the same cluster under two names."""
        inputs = {**news, _UID: news.get(_UID) or olds.get(_UID) or ""}
        twin, joined = _known(news.get("sameAs")), _known(news.get("joined"))
        reason = "" if olds.get(_UID) else joined
        if _is_renamed(olds, news):
            reason = str(news["refused"])
        if twin:
            reason = (
                f"{news['cluster']} is the same cluster as {twin} (UID {inputs[_UID]}): one cluster can't join twice: "
                "Karmada would send it everything twice, and when one leaves, the other loses its access; keep "
                "one of the two names"
            )
        return CheckResult(inputs, [CheckFailure(_UID, reason)] if reason else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Store the UID.

        Raises:
            FlotillaError: the cluster didn't answer, and the state doesn't know it.
        """
        if not props[_UID]:
            raise _unanswered(props)
        return CreateResult(id_=props[_UID], outs=_outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Replace the identity for another cluster; what was declared in the former cluster is deleted first.

        The same cluster under another name is only a change: Karmada loses its access under the former name.
        """
        another = bool(news[_UID]) and isinstance(news[_UID], str) and news[_UID] != olds[_UID]
        replaces = [_UID] if another else []
        cordon = any(olds.get(key) != news.get(key) for key in _CORDON) if _cordoned(olds, news) else False
        changes = another or cordon or _is_renamed(olds, news)
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Remove Karmada's access under the former name, so that the copies stay when that Cluster is deleted.

        Also remove a cordon that the stack no longer declares.

        Raises:
            FlotillaError: the cluster didn't answer, so it could not join under the new name; or Karmada still reaches
                it under its former name; or the control plane didn't answer.
        """
        if olds.get("cordoned") and not news.get("cordoned"):
            end_cordon(connect(olds["controlPlane"], name="Karmada"), str(olds["cluster"]))
        if not _is_renamed(olds, news):
            return UpdateResult(outs=_outputs(news))
        if news["unanswered"]:
            raise _unanswered(news)
        agent = None
        if news["agentNamespace"]:
            agent = Agent(connect(news["kubeconfig"], name=news["cluster"]), news["agentNamespace"])
        cut_access(connect(news["controlPlane"], name="Karmada"), str(olds["cluster"]), str(olds[_UID]), agent)
        return UpdateResult(outs=_outputs(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return the state's properties: the program itself asks the cluster."""
        return ReadResult(id_, _outputs(props))


def _unanswered(props: dict[str, Any]) -> FlotillaError:
    return FlotillaError(f"nothing can be declared in {props['cluster']}: {props['unanswered']}")


def _is_renamed(olds: dict[str, Any], news: dict[str, Any]) -> bool:
    return bool(news.get("former")) and olds.get("cluster") == news["former"]


def _known(value: Any) -> str:
    """Return a text if it is known, else ''; in a preview, Pulumi's CLI has a special text for unknown values."""
    return value if isinstance(value, str) and value != UNKNOWN else ""


def _cordoned(*sides: dict[str, Any]) -> bool:
    return any(side.get("cordoned") for side in sides)


def _outputs(props: dict[str, Any]) -> dict[str, Any]:
    more = _CORDON if _cordoned(props) else ()
    return {key: props[key] for key in ("cluster", _UID, *more)}


class ClusterIdentity(Resource, module="flotilla", name="ClusterIdentity"):
    """A cluster's identity; the provider for its objects depends on it."""

    uid: pulumi.Output[str]
    """UID of the cluster's kube-system namespace."""

    def __init__(
        self,
        cluster: str,
        found: pulumi.Output[Probe],
        opts: pulumi.ResourceOptions,
        *,
        same_as: pulumi.Input[str] = "",
        joined: pulumi.Input[str] = "",
        former: Former | None = None,
        cordon: Cordon | None = None,
    ) -> None:
        """Declare which cluster the name `cluster` stands for.

        Args:
            cluster: the name of the cluster in the stack.
            found: the cluster's answer.
            opts: resource options.
            same_as: another name in this stack for the same cluster; empty for none.
            joined: why it can't join for the first time; empty where it can.
            former: the member's former name, if it gets another one.
            cordon: the member's cordon, if it has one.
        """
        props = {
            "cluster": cluster,
            _UID: found.apply(lambda answer: answer["uid"]),
            "unanswered": found.apply(lambda answer: answer["unanswered"]),
            "sameAs": same_as,
            "joined": joined,
            **(former or {}),
            **(cordon or {}),
        }
        super().__init__(ClusterIdentityProvider(), identity_name(cluster), props, opts)
