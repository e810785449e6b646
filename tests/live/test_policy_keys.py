"""Policies of a stack that uses every key: real Karmada accepts them and drops no field."""

import pytest

from flotilla.karmada.aiming import override_policies
from flotilla.karmada.propagation import propagation_policy, template
from flotilla.karmada.versions import Version
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import differences, ref_of
from flotilla.stack.features import features_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.specs import propagation_spec, rules_for_objects
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import manifests_of
from tests.contract.karmada import eventually
from tests.every_key import WORKLOADS, declared, workloads_for

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


MANAGER = "keys"


@pytest.fixture(scope="module")
def karmada(fleet):
    return fleet.connection("karmada")


@pytest.fixture(scope="module")
def version(fleet):
    return Version.parse(fleet.version)


def policies_of(raw, version, project, namespace):
    workload = declared(raw)
    templates = [template(obj, namespace=workload.namespace) for obj in manifests_of(workload, ManifestFiles(project))]
    spec, rules = propagation_spec(workload, version), rules_for_objects(workload, templates)
    return (
        propagation_policy("keys", namespace=namespace, templates=templates, spec=spec),
        *override_policies("keys", namespace=namespace, templates=templates, rules=rules).values(),
    )


@pytest.mark.parametrize("namespace", ["default", None], ids=["namespaced", "cluster-wide"])
@pytest.mark.parametrize("raw", WORKLOADS, ids=[workload["name"] for workload in WORKLOADS])
def test_karmada_keeps_every_field_of_the_keys_that_it_supports(karmada, version, tmp_path, raw, namespace):
    has_it = any(one["name"] == raw["name"] for one in workloads_for(str(version)))
    lost = []
    for ours in policies_of(raw, version, tmp_path, namespace):
        try:
            kept = karmada.create(ours, field_manager=MANAGER, dry_run=True)
        except ApiError as error:
            lost.append(error.message)
        else:
            lost += [difference.text for difference in differences(ours["spec"], kept["spec"])]
    newer = {f.key: str(f.since) for f in features_of(Workload.model_validate({"image": "web:1", **raw}))}
    assert bool(lost) != has_it, f"Karmada {version}, since {newer}: {lost}"


def test_applying_the_policies_again_changes_nothing(karmada, version, tmp_path):
    """Neither does Flotilla revert defaults of Karmada's webhook, nor Karmada fields of Flotilla."""
    wanted = workloads_for(str(version))
    assert len(wanted) > 10
    for raw in wanted:
        for ours in policies_of(raw, version, tmp_path, "default"):
            kept = karmada.apply(ours, field_manager=MANAGER)
            ref = ref_of(kept)
            try:
                again = karmada.apply(ours, field_manager=MANAGER, dry_run=True)
                # The generation can't be compared: with the same spec, it rises if a field of any type has a number.
                assert again["spec"] == kept["spec"], raw["name"]
            finally:
                karmada.delete(ref, propagation="Background")
                eventually(lambda ref=ref: karmada.find(ref) is None)


def test_karmada_accepts_the_template_of_an_autoscaled_workload(karmada, tmp_path):
    workload = Workload.model_validate({"name": "web", "image": "web:1", "placement": {}, "autoscaled": True})
    (made,) = manifests_of(workload, ManifestFiles(tmp_path))
    assert differences(made, karmada.create(made, field_manager=MANAGER, dry_run=True)) == []
