"""Compare the dependencies that real Karmada finds in random templates with the model's.

Karmada writes them into an annotation of the template's ResourceBinding. FLOTILLA_SEED repeats the cases of a seed,
FLOTILLA_CASES sets their number.
"""

import json
import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from flotilla.karmada.dependencies import references_of
from flotilla.karmada.objects import BINDING_API, POLICY_API
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.karmada.versions import Version
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ref_of
from tests.live.dependency_cases import KINDS, definitions, template
from tests.pull_members import beating, join, report

pytestmark = [pytest.mark.live, pytest.mark.timeout(1200)]
CASES = int(os.environ.get("FLOTILLA_CASES", "400"))
ENOUGH = 0.95
"""The share of the cases that the API server must accept, so that the comparison is meaningful."""
NAMESPACE = "truth"
ANNOTATION = "resourcebinding.karmada.io/dependencies"
SECONDS = 240
QUIET_SECONDS = 15


def served():
    versions = dict.fromkeys(version for version, _ in KINDS)
    return [
        {"groupVersion": v, "resources": [{"kind": k, "name": f"{k.lower()}s"} for o, k in KINDS if o == v]}
        for v in versions
    ]


def create(connection, obj):
    return {**obj, **connection.create(obj, field_manager="truth")}


def prepare(connection):
    for definition in definitions():
        create(connection, definition)
    for api_version, kind in KINDS:
        end = time.monotonic() + 30
        while connection.unserved(api_version, kind):
            assert time.monotonic() < end, f"{kind} isn't served"
            time.sleep(0.2)
    join(connection, {"metadata": {"name": "m1"}, "spec": {}})
    status = {"conditions": {"Ready": True, "CompleteAPIEnablements": True}, "apiEnablements": served()}
    room = {"allocatable": {"cpu": "64", "memory": "256Gi", "pods": "3000"}, "allocated": {"cpu": "1"}}
    report(connection, "m1", {**status, "resourceSummary": room})
    labels = {"namespace.karmada.io/skip-auto-propagation": "true"}
    create(connection, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}})
    selectors = [{"apiVersion": api_version, "kind": kind} for api_version, kind in KINDS]
    spec = {"resourceSelectors": selectors, "placement": {}, "propagateDeps": True}
    metadata = {"name": "all", "namespace": NAMESPACE}
    create(connection, {"apiVersion": POLICY_API, "kind": "PropagationPolicy", "metadata": metadata, "spec": spec})


def gathered(connection):
    """Return Karmada's annotations by binding, when they don't change any more."""
    end = time.monotonic() + SECONDS
    known, since = {}, time.monotonic()
    while time.monotonic() < end:
        bindings = {ref_of(one): one for one in connection.list(BINDING_API, "ResourceBinding", namespace=NAMESPACE)}
        now = {
            ref: (one["metadata"].get("annotations") or {}).get(ANNOTATION)
            for ref, one in bindings.items()
            if one["spec"].get("clusters")
        }
        if now != known:
            known, since = now, time.monotonic()
        elif time.monotonic() - since > QUIET_SECONDS:
            break
        time.sleep(1)
    return known


def as_sets(text):
    """Return the objects in an annotation as a set."""
    return {
        (
            one["apiVersion"],
            one["kind"],
            one.get("namespace", ""),
            one.get("name", ""),
            tuple(sorted(((one.get("labelSelector") or {}).get("matchLabels") or {}).items())),
        )
        for one in json.loads(text or "[]") or []
    }


def model_references(obj, version):
    found = references_of(obj, version)
    assert found is not None
    return {(one.api_version, one.kind, one.namespace, one.name, one.labels) for one in found}


def test_the_model_finds_the_same_dependencies_as_karmada(control_plane, capsys):
    connection, version = control_plane
    seed = int(os.environ.get("FLOTILLA_SEED") or random.randrange(10**6))  # noqa: S311 - it chooses cases
    rnd = random.Random(seed)  # noqa: S311
    prepare(connection)
    cases = [template(rnd, f"t{number}", NAMESPACE) for number in range(CASES)]
    refused = []

    def make(obj):
        try:
            create(connection, obj)
        except ApiError as error:
            refused.append(f"{obj['kind']}: {error}")
            return None
        return obj

    with beating(connection, ["m1"]):
        time.sleep(4)
        with ThreadPoolExecutor(max_workers=8) as pool:
            made = [one for one in pool.map(make, cases) if one is not None]
        truth = gathered(connection)
    karmada = Version.parse(version)
    compared = [one for one in made if binding_ref(ref_of(one)) in truth]
    wrong = [
        f"{one['kind']} {one['metadata']['name']}: Karmada {sorted(there ^ model)} (it alone: {sorted(there - model)})"
        for one in compared
        if (there := as_sets(truth[binding_ref(ref_of(one))])) != (model := model_references(one, karmada))
    ]
    kinds = Counter(one["kind"] for one in compared)
    references = sum(len(model_references(one, karmada)) for one in compared)
    with capsys.disabled():
        print(  # noqa: T201 - the figure is what the test is for
            f"\nKarmada {version}, seed {seed}: {len(compared)} of {CASES} templates compared, with {references} "
            f"dependencies, {len(wrong)} disagreements; {len(refused)} refused by the API server; {dict(kinds)}"
        )
    assert not wrong, "\n".join(wrong[:20])
    assert len(compared) >= ENOUGH * CASES, refused[:5]
