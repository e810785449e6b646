"""A cluster's identity: the UID of its kube-system namespace, read by the program and kept in the state.

Where a cluster does not answer, the UID in the state is used, so that a dead cluster does not stop the others.
Where another cluster answers than the state knows, the identity is replaced, and with it everything in that cluster.
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
    """The name that a member had before."""

    former: str
    controlPlane: pulumi.Input[str]
    """Administrator's kubeconfig of the control plane; a secret."""
    kubeconfig: pulumi.Input[str]
    """Administrator's kubeconfig of the member; a secret."""
    agentNamespace: str
    """Where its agent runs, in pull mode; empty in push mode."""
    refused: str
    """Why the member can't have another name; empty where nothing is in the way."""


class Cordon(TypedDict):
    """A member that takes nothing new, and how its cordon is ended once the stack declares it no more."""

    cordoned: bool
    controlPlane: pulumi.Input[str]
    """Administrator's kubeconfig of the control plane; a secret."""


class Probe(TypedDict):
    """A cluster's answer: its UID, or why it gave none."""

    uid: str
    unanswered: str


def read_identity(kubeconfig: str, name: str) -> Probe:
    """Ask a cluster for the UID of its kube-system namespace, within a few seconds; never raises."""
    try:
        return {"uid": uid_of(connect(kubeconfig, name=name)), "unanswered": ""}
    except FlotillaError as error:
        return {"uid": "", "unanswered": error.message}


def probe(kubeconfig: pulumi.Output[str], name: str) -> pulumi.Output[Probe]:
    """Return what a cluster says of itself, as a plain output; unknown in a preview while the kubeconfig is."""

    async def ask(text: str) -> Probe:
        return await asyncio.to_thread(read_identity, text, name)

    found: pulumi.Output[Probe] = pulumi.Output.unsecret(kubeconfig.apply(ask))
    return found


def joined_clusters(kubeconfig: pulumi.Output[str]) -> pulumi.Output[dict[str, str] | None]:
    """Return a control plane's Clusters, name by UID; None where it does not answer."""

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
    """Return why a cluster can't join as `name` for the first time; empty where nothing is in the way."""

    async def ask(parts: list[Any]) -> str:
        text, said, clusters = parts
        if not said["uid"]:
            return ""
        member = connect(text, name=name)
        return await asyncio.to_thread(join_conflict, name, said["uid"], clusters, member, namespace)

    reason: pulumi.Output[str] = pulumi.Output.unsecret(pulumi.Output.all(kubeconfig, found, known).apply(ask))
    return reason


@whole_numbers
class ClusterIdentityProvider(ResourceProvider):
    """Keeps a cluster's UID in the state; creates nothing, so there is nothing to delete.

    It also keeps that a member is cordoned. Where that ends, the taint has to go before workloads wait for the member,
    and its Cluster can't see to it: the taint may have another owner by then (`flotilla.karmada.joining.cordoning`).
    """

    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> CheckResult:
        """Use the state's UID where the cluster did not answer; refuse one cluster under two names."""
        inputs = {**news, _UID: news.get(_UID) or olds.get(_UID) or ""}
        twin, joined = _known(news.get("sameAs")), _known(news.get("joined"))
        reason = "" if olds.get(_UID) else joined
        if _is_renamed(olds, news):
            reason = str(news["refused"])
        if twin:
            reason = (
                f"{news['cluster']} is the same cluster as {twin} (UID {inputs[_UID]}): one cluster can't join twice: "
                "Karmada would send it everything twice, and when one leaves it takes the other's access away; keep "
                "one of the two names"
            )
        return CheckResult(inputs, [CheckFailure(_UID, reason)] if reason else [])

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Keep the UID.

        Raises:
            FlotillaError: the cluster did not answer, and the state doesn't know it.
        """
        if not props[_UID]:
            raise _silent(props)
        return CreateResult(id_=props[_UID], outs=_kept(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> DiffResult:
        """Replace for another cluster; what was declared in the former cluster is deleted first.

        The same cluster under another name is a change: Karmada loses its access under the former one.
        """
        another = bool(news[_UID]) and isinstance(news[_UID], str) and news[_UID] != olds[_UID]
        replaces = [_UID] if another else []
        cordon = any(olds.get(key) != news.get(key) for key in _CORDON) if _cordoned(olds, news) else False
        changes = another or cordon or _is_renamed(olds, news)
        return DiffResult(changes=changes, replaces=replaces, delete_before_replace=True)

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> UpdateResult:
        """Take Karmada's access under the former name away, so that the copies stay when that Cluster goes.

        And end a cordon that the stack declares no more.

        Raises:
            FlotillaError: the cluster did not answer, so that it could not join under the new name; or Karmada still
                reaches it under its former name; or the control plane did not answer.
        """
        if olds.get("cordoned") and not news.get("cordoned"):
            end_cordon(connect(olds["controlPlane"], name="Karmada"), str(olds["cluster"]))
        if not _is_renamed(olds, news):
            return UpdateResult(outs=_kept(news))
        if news["unanswered"]:
            raise _silent(news)
        agent = None
        if news["agentNamespace"]:
            agent = Agent(connect(news["kubeconfig"], name=news["cluster"]), news["agentNamespace"])
        cut_access(connect(news["controlPlane"], name="Karmada"), str(olds["cluster"]), str(olds[_UID]), agent)
        return UpdateResult(outs=_kept(news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """Return what the state has: the cluster is asked by the program."""
        return ReadResult(id_, _kept(props))


def _silent(props: dict[str, Any]) -> FlotillaError:
    return FlotillaError(f"nothing can be declared in {props['cluster']}: {props['unanswered']}")


def _is_renamed(olds: dict[str, Any], news: dict[str, Any]) -> bool:
    return bool(news.get("former")) and olds.get("cluster") == news["former"]


def _known(value: Any) -> str:
    """Return a text that is known; a preview by Pulumi's CLI has a text of its own for what isn't."""
    return value if isinstance(value, str) and value != UNKNOWN else ""


def _cordoned(*sides: dict[str, Any]) -> bool:
    return any(side.get("cordoned") for side in sides)


def _kept(props: dict[str, Any]) -> dict[str, Any]:
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
        """Declare which cluster is meant by `cluster`.

        Args:
            cluster: what the stack calls it.
            found: what it said of itself.
            opts: resource options.
            same_as: another name of this stack that leads to the same cluster; empty for none.
            joined: why it can't join for the first time; empty where nothing is in the way.
            former: the member's name before, where it gets another one.
            cordon: where the member takes nothing new.
        """
        props = {
            "cluster": cluster,
            _UID: found.apply(lambda said: said["uid"]),
            "unanswered": found.apply(lambda said: said["unanswered"]),
            "sameAs": same_as,
            "joined": joined,
            **(former or {}),
            **(cordon or {}),
        }
        super().__init__(ClusterIdentityProvider(), identity_name(cluster), props, opts)
