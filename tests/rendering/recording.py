"""Record a part of the answers of real Karmada: the most varied cases, without fields that no rule reads.

    python -m tests.rendering.recording OUT.json ANSWERS.json...

The answers are files that tests/live/test_rendering_truth.py writes with FLOTILLA_TRUTH.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.rendering.compare import judged, model
from tests.rendering.values import compact

Object = dict[str, Any]
BYTES = 450_000
"""The maximum size of each version's part."""


def recorded(truth: Object) -> Object:
    """Return a part of the answers: first the cases with the most new properties, up to the maximum size."""
    chosen: list[Object] = []
    seen: set[str] = set()
    size = 0
    cases = [(_properties(case, truth), case) for case in judged(truth)]
    while cases:
        cases.sort(key=lambda one: -len(one[0] - seen))
        properties, case = cases.pop(0)
        small = _trimmed(case)
        size += len(compact(small))
        if size > BYTES or not properties - seen:
            break
        seen |= properties
        chosen.append(small)
    chosen.sort(key=lambda case: case["number"])
    everywhere = [_policy(one) for one in truth["everywhere"]]
    clusters = [_cluster(one) for one in truth["clusters"]]
    return {
        **{k: truth[k] for k in ("seed", "version")},
        "clusters": clusters,
        "everywhere": everywhere,
        "cases": chosen,
    }


def _properties(case: Object, truth: Object) -> set[str]:
    """Return the properties of a case: its kind, the operators and paths of overriders, and their results."""
    kind = f"{case['template']['apiVersion']} {case['template']['kind']}"
    found = {kind, f"{kind} {case['binding']['spec'].get('replicas')}"}
    for name, said in model(case, truth).items():
        reason = getattr(said, "reason", "")
        found.add(f"{reason.rpartition(': ')[2]} {name in case['works']}")
    for policy in case["overrides"]:
        spec = policy["spec"]
        found.add(f"{policy['kind']} {sorted(spec)} {sorted((spec.get('resourceSelectors') or [{}])[0])}")
        for rule in spec.get("overrideRules") or [spec]:
            found.add(f"target {compact(rule.get('targetCluster'))}"[:60])
            for key, steps in (rule.get("overriders") or {}).items():
                for step in steps:
                    words = {k: v for k, v in step.items() if k != "value" or isinstance(v, str)}
                    found.add(f"{kind if key != 'fieldOverrider' else ''} {key} {compact(words)}")
    return found


def _trimmed(case: Object) -> Object:
    binding = case["binding"]
    spec = binding["spec"]
    return {
        "number": case["number"],
        "declared": case["declared"],
        "template": _without_token(case["template"]),
        "overrides": [_policy(one) for one in case["overrides"]],
        "binding": {
            "kind": binding["kind"],
            "metadata": {k: v for k, v in binding["metadata"].items() if k in ("name", "namespace", "labels")},
            "spec": {k: spec[k] for k in ("clusters", "placement", "conflictResolution", "replicas") if k in spec},
        },
        "works": {
            name: {
                "name": work["metadata"]["name"],
                "labels": work["metadata"]["labels"],
                "annotations": {key: _names(text) for key, text in work["metadata"]["annotations"].items()},
                "manifest": changes(_without_token(case["template"]), work["spec"]["workload"]["manifests"][0]),
            }
            for name, work in case["works"].items()
        },
    }


def _names(text: str) -> str:
    """Reduce a list of applied overrides to the names of the policies."""
    if not text.startswith("["):
        return text
    return compact([{"policyName": shadow["policyName"]} for shadow in json.loads(text)])


def changes(base: Any, value: Any) -> Any:
    """Return the change from one value to another: `[value]`, or an object with the changes of fields or entries."""
    if isinstance(base, list) and isinstance(value, list) and len(base) == len(value):
        pairs = enumerate(zip(base, value, strict=True))
        return {str(place): changes(old, new) for place, (old, new) in pairs if old != new}
    if not isinstance(base, dict) or not isinstance(value, dict):
        return [value]
    found: Object = {key: [] for key in base if key not in value}
    for key, entry in value.items():
        if key not in base:
            found[key] = [entry]
        elif base[key] != entry:
            found[key] = changes(base[key], entry)
    return found


def changed(base: Any, change: Any) -> Any:
    """Return a value after a change that `changes` returned."""
    if isinstance(change, list):
        return change[0]
    if isinstance(base, list):
        return [changed(old, change[str(place)]) if str(place) in change else old for place, old in enumerate(base)]
    kept = {key: value for key, value in base.items() if change.get(key) != []}
    return kept | {key: changed(kept.get(key), one) for key, one in change.items() if one != []}


def expanded(recording: Object) -> Object:
    """Return a recording in the form of the original answers."""
    return {**recording, "cases": [_expanded(case) for case in recording["cases"]]}


def _expanded(case: Object) -> Object:
    works = {}
    for name, work in case["works"].items():
        manifest = changed(case["template"], work["manifest"])
        metadata = {key: work[key] for key in ("name", "labels", "annotations")}
        works[name] = {"metadata": metadata, "spec": {"workload": {"manifests": [manifest]}}}
    return {**case, "works": works, "events": []}


def _policy(policy: Object) -> Object:
    metadata = {k: v for k, v in policy["metadata"].items() if k in ("name", "namespace")}
    return {"kind": policy["kind"], "metadata": metadata, "spec": policy["spec"]}


def _cluster(cluster: Object) -> Object:
    metadata = {k: v for k, v in cluster["metadata"].items() if k in ("name", "labels")}
    spec = {k: v for k, v in cluster["spec"].items() if k in ("provider", "region", "zones", "taints")}
    return {"metadata": metadata, "spec": spec}


def _without_token(template: Object) -> Object:
    """Replace the token that a control plane wrote into a Secret."""
    if template.get("type") != "kubernetes.io/service-account-token":
        return template
    return {**template, "data": dict.fromkeys(template.get("data") or {}, "eA==")}


def main(out: str, *answers: str) -> None:
    """Write the recording."""
    parts = {truth["version"]: recorded(truth) for truth in (json.loads(Path(name).read_text()) for name in answers)}
    Path(out).write_text(compact(parts) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
