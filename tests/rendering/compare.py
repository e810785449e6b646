"""Compare the Works that Karmada wrote with those of the model."""

from __future__ import annotations

import json
from typing import Any

from flotilla.karmada.rendering.marks import marked, without_marks, work_annotations
from flotilla.karmada.rendering.works import NotSent, Sent, works_of
from flotilla.karmada.scheduling import divides, facts_of
from flotilla.karmada.versions import Version

Object = dict[str, Any]
_MISSING = "nothing"


def disagreements(truth: Object) -> list[str]:
    """Return the errors of the model, as lines for each cluster of a case."""
    return [line for case in judged(truth) for line in disagreements_of(case, truth)]


def judged(truth: Object) -> list[Object]:
    """Return the cases that Karmada scheduled somewhere."""
    return [case for case in truth["cases"] if ((case.get("binding") or {}).get("spec") or {}).get("clusters")]


def model(case: Object, truth: Object) -> dict[str, Sent | NotSent]:
    """Return the model's Works for a case."""
    spec = case["binding"]["spec"]
    return works_of(
        case["template"],
        [(target["name"], target.get("replicas")) for target in spec["clusters"]],
        {cluster["metadata"]["name"]: facts_of(cluster) for cluster in truth["clusters"]},
        [*truth["everywhere"], *case["overrides"]],
        divided=divides(spec.get("placement") or {}),
        version=Version.parse(truth["version"]),
    )


def disagreements_of(case: Object, truth: Object) -> list[str]:
    """Return the errors of the model in one case."""
    found = []
    version = Version.parse(truth["version"])
    for name, said in model(case, truth).items():
        work = case["works"].get(name)
        which = f"case {case['number']} ({case['template']['kind']}) in {name}"
        if isinstance(said, NotSent):
            if work is not None:
                found.append(f"{which}: a Work is there, the model says that {said.reason}")
            continue
        if work is None:
            found.append(f"{which}: no Work is there; Karmada says {case['events']}")
            continue
        manifest = work["spec"]["workload"]["manifests"][0]
        plain = differing(without_marks(said.manifest), without_marks(manifest))
        meta = work["metadata"]
        whole = marked(
            said.manifest,
            said.overridden,
            binding=case["binding"],
            work=meta["name"],
            work_id=meta["labels"]["work.karmada.io/permanent-id"],
            cluster=name,
            version=version,
        )
        found += [f"{which}: {line}" for line in plain or differing(whole, manifest)]
        noted = work_annotations(said.overridden, case["binding"], said.applied)
        keys = {*noted, *meta.get("annotations", {})}
        found += [
            f"{which}: the Work's annotation {key} is {meta['annotations'].get(key)}, not {noted.get(key)}"
            for key in sorted(keys)
            if not _same_annotation(noted.get(key), meta["annotations"].get(key))
        ]
    return found


def _same_annotation(one: str | None, other: str | None) -> bool:
    """Return whether two annotations agree; of lists of overrides, compare only the policies and their order."""
    if one is None or other is None or not one.startswith("["):
        return one == other
    mine, theirs = ([shadow["policyName"] for shadow in json.loads(text)] for text in (one, other))
    return bool(mine == theirs)


def differing(one: Any, other: Any, path: str = "") -> list[str]:
    """Return the exact differences of two values: a missing field is not an empty one, and True is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted({*one, *other})
        return [
            line
            for key in keys
            for line in differing(one.get(key, _MISSING), other.get(key, _MISSING), f"{path}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for place, (a, b) in pairs for line in differing(a, b, f"{path}/{place}")]
    same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return [] if same else [f"{path}: the model says {one!r}, Karmada {other!r}"]
