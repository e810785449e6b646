"""Members that get no new workloads: the taint of a cordon, and the annotation that describes a maintenance.

Upstream: pkg/karmadactl/cordon (a taint without a value; only its key and effect count), and
pkg/scheduler/framework/plugins/tainttoleration (taints don't matter for a cluster that already has the template).
"""

from __future__ import annotations

from flotilla.karmada.scheduling import Taint
from flotilla.karmada.scheduling.facts import Object

CORDON = Taint("cluster.karmada.io/unschedulable")
"""The taint of `karmadactl cordon`."""
MAINTENANCE = "flotilla.dev/maintenance"
"""The annotation of a Cluster under maintenance; the stack's text follows the mode: `drain: new kernel, until
2026-12-01`."""
CORDONED, DRAIN = "cordon", "drain"
"""The modes of a maintenance."""


def is_cordon(taint: Object) -> bool:
    """Return whether a taint is that of a cordon."""
    return (taint.get("key"), taint.get("effect")) == (CORDON.key, CORDON.effect)


def is_cordoned(cluster: Object) -> bool:
    """Return whether a Cluster has the taint of a cordon, regardless of who set it."""
    return any(is_cordon(taint) for taint in (cluster.get("spec") or {}).get("taints") or [])


def maintenance_of(cluster: Object) -> str:
    """Return a member's maintenance: the text of the annotation, else `cordon` if the taint is set, else ''."""
    said = ((cluster.get("metadata") or {}).get("annotations") or {}).get(MAINTENANCE)
    return str(said) if said else CORDONED if is_cordoned(cluster) else ""


def mode_of(maintenance: str) -> str:
    """Return the mode of a maintenance text: drain or cordon; empty for none."""
    return maintenance.partition(":")[0].strip()
