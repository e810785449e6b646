"""Layer one: compares each declared object with the object in its cluster, for the fields that were declared."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.drift.comparing import Comparing
from flotilla.drift.findings import Finding, Layer, Remedy, changed
from flotilla.drift.moving import under_way
from flotilla.karmada.kinds import expires
from flotilla.karmada.moving.marks import mark_of
from flotilla.karmada.selection import POLICIES
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Difference, Object, ref_of
from flotilla.kube.zero_values import is_left_out, left_out
from flotilla.state.values import Properties, reveal


def compare_object(
    connection: Connection,
    cluster: str,
    wanted: Object,
    comparing: Comparing | None = None,
    *,
    answer: Properties | None = None,
) -> list[Finding]:
    """Compare one object with the object in its cluster.

    Args:
        connection: the cluster.
        cluster: the cluster's name.
        wanted: the object as declared.
        comparing: collects the results of this check of the cluster; None for a new one.
        answer: the API server's answer to the last write, as the state has it.

    Raises:
        ClusterError: the cluster did not answer, so nothing is known of the object.
    """
    live = connection.find(ref_of(wanted))
    if live is None and expires(wanted):
        return []
    if live is None:
        message = "is declared and not there"
        return [Finding(Layer.PLAN, "object-missing", cluster, str(ref_of(wanted)), message)]
    if live["metadata"].get("deletionTimestamp"):
        message = f"is being deleted since {live['metadata']['deletionTimestamp']}"
        return [Finding(Layer.PLAN, "object-deleting", cluster, str(ref_of(wanted)), message)]
    found = (comparing or Comparing(connection)).differences(Layer.PLAN, wanted, live)
    if (mark := mark_of([live])) is not None and wanted["kind"] in POLICIES:
        found = [one for one in found if one.path[:2] != ("spec", "placement")]
        return [under_way(cluster, live, mark), *_changed(cluster, live, found)]
    places = left_out(wanted, reveal(answer)) if found and answer else frozenset()
    return _changed(cluster, live, [one for one in found if not is_left_out(one, places)])


def _changed(cluster: str, live: Object, found: Iterable[Difference]) -> list[Finding]:
    return [changed(Layer.PLAN, "object-changed", cluster, live, difference, Remedy.UP) for difference in found]
