"""The reference of Karmada's policy fields has every published field, and its keys are keys of the stack file."""

import json
import re
import typing

import pytest
import yaml
from pydantic import BaseModel

from flotilla.karmada.propagation import override_policy, propagation_policy, template
from flotilla.stack.features import features_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.specs import override_rules, propagation_spec
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import manifests_of
from tests.every_key import WORKLOADS, declared

AFFINITIES = re.compile(
    r"placement\.clusterAffinity\.|placement\.clusterAffinities\[\]\.(overflowAffinities\[\]\.)?(?=cluster|excl|label|field)"
    r"|.*[sS]taticWeightList\[\]\.targetCluster\.|overrideRules\[\]\.targetCluster\."
)
OURS = ("schedulerName", "resourceSelectors")
"""What builders set, without a key."""


@pytest.fixture(scope="module")
def tables(request):
    """Return the rows of the reference by table: field to keys, version and remark."""
    text = (request.config.rootpath / "docs/reference/karmada-fields.md").read_text()
    found = {}
    for section in text.split("\n## ")[1:]:
        title, _, body = section.partition("\n")
        rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.*?) \| (.*?) \|$", body, re.MULTILINE)
        if rows:
            fields = [field for field, *_ in rows]
            assert len(fields) == len(set(fields))
            found[title] = {field: (re.findall(r"`([^`]+)`", keys), since, why) for field, keys, since, why in rows}
    return found


@pytest.fixture(scope="module")
def recorded(request):
    return json.loads((request.config.rootpath / "tests/unit/data/policy_fields.json").read_text())


TITLES = {"PropagationSpec": "PropagationSpec and Placement", "OverrideSpec": "OverrideSpec"}


def row_of(tables, spec, path):
    """Return the row of a field: its own row, that of its ClusterAffinity, or that of a parent field without a key."""
    if AFFINITIES.match(path):
        return tables["ClusterAffinity"].get(AFFINITIES.sub("", path, count=1))
    table = tables[TITLES[spec]]
    whole = next(
        (row for field, row in table.items() if not row[0] and re.match(re.escape(field) + r"[.\[]", path)), None
    )
    return table.get(path) or whole


@pytest.mark.parametrize("spec", TITLES)
def test_every_published_field_has_a_row(tables, recorded, spec):
    missing = [path for path in recorded[spec] if not row_of(tables, spec, path)]
    assert missing == []
    assert [field for field in tables[TITLES[spec]] if field not in recorded[spec]] == []


def test_a_field_without_a_key_has_a_reason(tables):
    assert [f for rows in tables.values() for f, (keys, _, why) in rows.items() if not keys and not why] == []


def fields_of(schema, prefix=""):
    for name, value in (schema.get("properties") or {}).items():
        path = f"{prefix}{name}"
        yield path
        yield from fields_of(value.get("items") or value, f"{path}[]." if value.get("type") == "array" else f"{path}.")


def test_recorded_fields_equal_the_published_ones(published, recorded):
    for spec, plural in (("PropagationSpec", "propagationpolicies"), ("OverrideSpec", "overridepolicies")):
        for scope in ("", "cluster"):
            file = published.parent / recorded["karmada"] / "crds" / f"policy.karmada.io_{scope}{plural}.yaml"
            (version,) = yaml.safe_load(file.read_text())["spec"]["versions"]
            schema = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
            assert sorted(fields_of(schema)) == sorted(recorded[spec])


def model_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := model_in(part))), None)


def test_every_key_of_the_reference_is_a_key_of_the_stack_file(tables):
    for rows in tables.values():
        for keys, _, _ in rows.values():
            for key in keys:
                model = Workload
                for step in key.replace("[]", "").split("."):
                    assert model is not None, key
                    field = next((f for f in model.model_fields.values() if f.alias == step), None)
                    assert field is not None, key
                    model = model_in(field.annotation)


def set_paths(value, prefix=""):
    if isinstance(value, list):
        for entry in value:
            yield from set_paths(entry, prefix)
    elif isinstance(value, dict):
        for key, entry in value.items():
            path = f"{prefix}.{key}" if prefix else key
            yield path
            yield from set_paths(entry, f"{path}[]" if isinstance(entry, list) else path)


def test_fields_with_a_key_are_those_that_keys_set(tables, recorded, tmp_path):
    """Built from a stack that uses every key: each key sets a field, and each field with a key is set."""
    made = {"PropagationSpec": set(), "OverrideSpec": set()}
    for raw in WORKLOADS:
        workload = declared(raw)
        templates = [template(obj, namespace="default") for obj in manifests_of(workload, ManifestFiles(tmp_path))]
        spec, rules = propagation_spec(workload), override_rules(workload)
        policy = propagation_policy("p", namespace="default", templates=templates, spec=spec)
        override = override_policy("p", namespace="default", templates=templates, rules=rules)
        made["PropagationSpec"] |= set(set_paths(policy["spec"]))
        made["OverrideSpec"] |= set(set_paths(override["spec"]))
    for spec, paths in made.items():
        ours = {path for path in paths if path in recorded[spec] and not path.startswith(OURS)}
        selectors = re.compile(r"^(placement\.replicaScheduling.*targetCluster|.*[cC]luster.*)\.(label|field)Selector")
        with_key = {p for p in recorded[spec] if row_of(tables, spec, p)[0] and not selectors.match(p)}
        assert with_key - ours == set()
        assert {path for path in ours if not row_of(tables, spec, path)[0]} == set()


def test_versions_and_gates_in_the_reference_equal_those_that_are_checked(tables):
    rows = {**tables["OverrideSpec"], **tables["PropagationSpec and Placement"]}
    by_key = {}
    for keys, since, why in rows.values():
        for key in keys:
            by_key.setdefault(key, []).append((since, why))
    for raw in WORKLOADS:
        for feature in features_of(Workload.model_validate({"image": "web:1", **raw})):
            entries = by_key[re.sub(r"\[\d+\]", "[]", feature.key)]
            since = str(feature.since) if str(feature.since) != "1.10" else ""
            assert {entry[0] for entry in entries} == {since}, feature
            if feature.gate:
                assert any(feature.gate.name in why for _, why in entries), feature
