"""The Clusters of a control plane, in the form that judgements about schedules need."""

from __future__ import annotations

from collections.abc import Iterable

from flotilla.karmada.scheduling import facts_of
from flotilla.karmada.status.expected import Fleet, unready_reason
from flotilla.kube.objects import Object


def fleet_of(clusters: Iterable[Object]) -> Fleet:
    """Return the Clusters of a control plane, in the form that judgements about schedules need."""
    listed = list(clusters)
    unready = {cluster["metadata"]["name"]: unready_reason(cluster) for cluster in listed}
    staying = [facts_of(cluster) for cluster in listed if not cluster["metadata"].get("deletionTimestamp")]
    return Fleet({facts.name: facts for facts in staying}, {name: reason for name, reason in unready.items() if reason})
