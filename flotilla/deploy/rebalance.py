"""Lets Karmada divide workloads again, once, by a WorkloadRebalancer that is deleted when it is done."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from flotilla.deploy.access import control_plane_of
from flotilla.deploy.declared import declared
from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.karmada.control_plane_kinds import REBALANCER
from flotilla.karmada.kinds import goes_by_itself
from flotilla.kube.connection import KindNotServed
from flotilla.kube.objects import Object, ObjectRef, ref_of
from flotilla.waiting import pause

_API = f"{REBALANCER[0]}/v1alpha1"
_SECONDS = 60.0
_POLL_SECONDS = 0.5


def rebalance(setting: Setting, engine: EngineName, member: str, workloads: Iterable[str]) -> list[str]:
    """Ask Karmada to divide the templates of workloads without regard to how they are divided now.

    Args:
        setting: the stack's setting.
        engine: the engine that finds the control plane.
        member: the member that receives workloads again, for the object's name.
        workloads: the names of the workloads.

    Returns:
        The results, one line each.

    Raises:
        FlotillaError: the control plane did not answer, or refused.
    """
    names = sorted(workloads)
    checks = declared(open_stack(engine, setting).snapshot()).rollouts
    refs = [ref_of(one) for name in names if name in checks for one in checks[name].objects if not goes_by_itself(one)]
    connection = control_plane_of(setting, engine)
    try:
        made = connection.create(rebalancer(member, refs), field_manager="flotilla")
    except KindNotServed:
        return ["this control plane has no WorkloadRebalancer: what was divided by capacity stays where it is"]
    ref = ref_of(made)
    began = time.monotonic()
    try:
        while time.monotonic() - began < _SECONDS:
            results = results_of(connection.get(ref))
            if len(results) >= len(refs):
                return _lines(results)
            if pause(_POLL_SECONDS):
                break
    finally:
        connection.delete(ref, propagation="Background")
    return [f"Karmada has not divided {', '.join(names)} again within {_SECONDS:.0f} s: they stay where they are"]


def rebalancer(member: str, refs: Iterable[ObjectRef]) -> Object:
    """Return the WorkloadRebalancer (apps/v1alpha1) of some templates."""
    listed: list[dict[str, Any]] = [
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "name": ref.name,
            **({"namespace": ref.namespace} if ref.namespace else {}),
        }
        for ref in refs
    ]
    return {
        "apiVersion": _API,
        "kind": REBALANCER[1],
        "metadata": {"generateName": f"flotilla-uncordon-{member}-"},
        "spec": {"workloads": listed},
    }


def results_of(made: Object) -> dict[str, str]:
    """Return the result for each finished template: empty, or why it wasn't divided again."""
    found = {}
    for one in (made.get("status") or {}).get("observedWorkloads") or []:
        if one.get("result"):
            workload = one.get("workload") or {}
            place = "/".join(part for part in (workload.get("namespace"), workload.get("name")) if part)
            why = str(one.get("reason") or "failed") if one["result"] == "Failed" else ""
            found[f"{workload.get('kind')} {place}"] = why
    return found


def _lines(results: dict[str, str]) -> list[str]:
    done = sorted(name for name, why in results.items() if not why)
    said = [f"Karmada divides again: {', '.join(done)}; `flotilla status` shows how far it is"] if done else []
    return said + [f"{name}: not divided again: {why}" for name, why in sorted(results.items()) if why]
