"""Reads from the control plane what a plan needs: its current Clusters, interpreters, and changes in waves."""

from __future__ import annotations

from contextlib import suppress

from flotilla.errors import ClusterError, FlotillaError
from flotilla.karmada.objects import CLUSTER_API
from flotilla.karmada.waves.record import Record, list_records
from flotilla.kube.connection import Connection, KindNotServed, connect
from flotilla.kube.objects import Object, ObjectRef
from flotilla.kube.secrecy import HIDDEN
from flotilla.plan.contents import ROLLOUT_TYPE
from flotilla.plan.followers import undeclared
from flotilla.plan.steps import Result
from flotilla.plan.under_way import has_waves
from flotilla.state.values import UNKNOWN

_ANSWER_SECONDS = 5.0
_INTERPRETER_API = "config.karmada.io/v1alpha1"
_INTERPRETER_KINDS = ("ResourceInterpreterCustomization", "ResourceInterpreterWebhookConfiguration")
_MOST_ASKED = 30
"""Up to this number, objects are looked for one by one; the plan says nothing about the rest."""


def with_clusters(result: Result) -> Result:
    """Return a plan with the control plane's current Clusters: a cordon since the last run decides who gets a copy.

    The plan also gets the interpreters, which read an object's replicas, the objects that should follow workloads but
    do not exist, and the changes in waves that are in progress.

    If the control plane doesn't answer soon, or its kubeconfig isn't known (Pulumi's CLI masks secrets), the plan is
    made from the state alone, and `unasked` says why.
    """
    rollouts = [step.new for step in result.steps if step.type == ROLLOUT_TYPE and step.new]
    given = [state.plain.get("kubeconfig") for state in rollouts]
    kubeconfigs = {text for text in given if isinstance(text, str) and text != HIDDEN}
    if not kubeconfigs and any(text is not UNKNOWN for text in given):
        result.unasked = "this engine hides its kubeconfig"
    for kubeconfig in sorted(kubeconfigs)[:1]:
        try:
            connection = connect(kubeconfig, name="Karmada")
            connection.ready(doing="asking for its Clusters", timeout=_ANSWER_SECONDS)
            result.clusters = {str(one["metadata"]["name"]): one for one in connection.list(CLUSTER_API, "Cluster")}
            result.interpreters = _interpreters(connection)
            result.absent = _absent(connection, undeclared(result.steps))
            if has_waves(result.steps):
                result.records, result.unread_records = _records(connection)
        except FlotillaError as error:
            result.unasked = error.message
    if result.unasked and has_waves(result.steps):
        result.unread_records = result.unasked
    return result


def _records(connection: Connection) -> tuple[dict[ObjectRef, Record], str]:
    """Return the changes in waves that are in progress, or why they aren't known: not every user may read Secrets."""
    try:
        return list_records(connection), ""
    except ClusterError as error:
        if error.whole_cluster:
            raise
        return {}, error.message


def _interpreters(connection: Connection) -> list[Object]:
    """Return a control plane's interpreters; kinds that it does not serve have none."""
    found: list[Object] = []
    for kind in _INTERPRETER_KINDS:
        with suppress(KindNotServed):
            found += connection.list(_INTERPRETER_API, kind)
    return found


def _absent(connection: Connection, wanted: list[ObjectRef]) -> frozenset[ObjectRef]:
    """Return the objects that a control plane doesn't have."""
    return frozenset(ref for ref in wanted[:_MOST_ASKED] if not _exists(connection, ref))


def _exists(connection: Connection, ref: ObjectRef) -> bool:
    try:
        return connection.find(ref) is not None
    except KindNotServed:
        return False
    except ClusterError as error:
        if error.whole_cluster:
            raise
        return True  # not known, for example because the user may not read it
