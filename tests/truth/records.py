"""The format of stored records: only fields that scheduling reads, and each placement once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Object = dict[str, Any]
_POD_KEYS = ("nodeSelector", "tolerations", "affinity", "overhead")
_ANSWER = ("replicas", "clusters", "group", "scheduled", "message", "evicting")


def load(file: Path) -> Object:
    """Return a record in its original form."""
    return expanded(json.loads(file.read_text()))


def save(record: Object, file: Path, *, fleets: list[int] | None = None) -> None:
    """Write a record, or some of its fleets."""
    kept = [one for number, one in enumerate(record["fleets"]) if fleets is None or number in fleets]
    small = {**record, "fleets": [_small_fleet(one) for one in kept]}
    lines = [json.dumps(one, separators=(",", ":"), sort_keys=False) for one in small.pop("fleets")]
    head = json.dumps(small, sort_keys=True)[:-1]
    file.write_text(f'{head}, "fleets": [\n' + ",\n".join(lines) + "\n]}\n")


def _small_fleet(fleet: Object) -> Object:
    states = [[_small_cluster(one) for one in state] for state in fleet["states"]]
    return {"states": states, "cases": [one for case in fleet["cases"] if (one := _small_case(case))["steps"]]}


def _small_cluster(cluster: Object) -> Object:
    status = dict(cluster["status"])
    enabled = [
        {"groupVersion": group["groupVersion"], "resources": [{"kind": one["kind"]} for one in group["resources"]]}
        for group in status.get("apiEnablements") or []
    ]
    return {**cluster, "status": {**status, "apiEnablements": enabled}}


def _small_case(case: Object) -> Object:
    steps: list[Object] = []
    placements: list[Object] = []
    for step in case.get("steps") or []:
        if not step or not step.get("answer"):
            continue
        small = {**step, "template": _small_template(step["template"]), "answer": _small_answer(step["answer"])}
        small["placement"] = _place(step["placement"], placements)
        if step["before"]:
            before = _small_answer(step["before"])
            same = steps and before == steps[-1]["answer"]
            small["before"] = {**({} if same else before), "applied": _place(step["before"]["applied"], placements)}
        placements.append(step["placement"])
        steps.append(small)
    return {"name": case["name"], "steps": steps}


def _place(placement: Object | None, placements: list[Object]) -> Object | int | None:
    """Return the index of the first step with this placement, or the placement itself if no step has it."""
    return placements.index(placement) if placement in placements else placement


def _small_answer(answer: Object) -> Object:
    small = {key: answer[key] for key in _ANSWER if answer.get(key)}
    return {**small, "asks": answer["requirements"] is not None}


def _small_template(template: Object) -> Object:
    spec = template.get("spec") or {}
    small = {key: spec[key] for key in ("replicas", "parallelism", "completions") if key in spec}
    pod = (spec.get("template") or {}).get("spec")
    if pod:
        kept = {key: pod[key] for key in _POD_KEYS if key in pod}
        for key in ("containers", "initContainers"):
            if pod.get(key):
                kept[key] = [{"resources": one.get("resources") or {}} for one in pod[key]]
        small["template"] = {"spec": kept}
    meta = {"name": template["metadata"]["name"], "uid": template["metadata"]["uid"]}
    return {"apiVersion": template["apiVersion"], "kind": template["kind"], "metadata": meta, "spec": small}


def expanded(record: Object) -> Object:
    """Return a record with the omitted fields restored."""
    for fleet in record["fleets"]:
        for case in fleet["cases"]:
            steps = [step for step in case.get("steps") or [] if step]
            for place, step in enumerate(steps):
                if isinstance(step["placement"], int):
                    step["placement"] = steps[step["placement"]]["placement"]
                _expand_answer(step["answer"])
                before = step["before"]
                if before and isinstance(before["applied"], int):
                    before["applied"] = steps[before["applied"]]["placement"]
                if before and "clusters" not in before and "asks" not in before:
                    step["before"] = {**steps[place - 1]["answer"], **before}
                _expand_answer(step["before"])
    return record


def _expand_answer(answer: Object | None) -> None:
    if answer and "asks" in answer:
        answer.update({**_EMPTY, **answer, "requirements": {} if answer["asks"] else None})


_EMPTY: Object = {"replicas": 0, "clusters": {}, "group": "", "scheduled": None, "message": "", "evicting": []}
