"""Claims: a template passes from one workload's policy to another workload's policy, but never from somebody else's."""

import pytest

from flotilla.karmada.status.claims import transfer_claims
from flotilla.kube.objects import ref_of
from tests.unit.planes import Answers

ID = "propagationpolicy.karmada.io/permanent-id"
CLAIM = {"propagationpolicy.karmada.io/name": "shop", "propagationpolicy.karmada.io/namespace": "default"}


def policy(named, *, manager="pulumi-kubernetes-1a2b3c4d", **selector):
    metadata = {"name": named, "namespace": "default", "labels": {ID: f"id-of-{named}"}}
    return {
        "apiVersion": "policy.karmada.io/v1alpha1",
        "kind": "PropagationPolicy",
        "metadata": {**metadata, "managedFields": [{"manager": manager}]},
        "spec": {"resourceSelectors": [{"apiVersion": "v1", "kind": "ConfigMap", **selector}]},
    }


class ControlPlane(Answers):
    """Answers, and takes patches."""

    def __init__(self, *objects):
        super().__init__(*objects)
        self.patches = []

    def patch(self, ref, body, *, query):
        self.patches.append((ref.name, body["metadata"]))


CLAIMED = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "common", "namespace": "default", "resourceVersion": "7", "annotations": CLAIM},
}


def test_template_passes_from_one_workloads_policy_to_anothers():
    karmada = ControlPlane(CLAIMED, policy("shop", name="common"), policy("store", name="common"))
    assert transfer_claims(karmada, [CLAIMED], ("store",)) == [ref_of(CLAIMED)]
    ((name, metadata),) = karmada.patches
    assert (name, metadata["labels"], metadata["annotations"]["propagationpolicy.karmada.io/name"]) == (
        "common",
        {ID: "id-of-store"},
        "store",
    )
    assert metadata["resourceVersion"] == "7", "only what was looked at is changed"


@pytest.mark.parametrize(
    "theirs",
    [policy("shop", manager="kubectl", name="common"), policy("shop"), policy("shop", name="other")],
    ids=["made by somebody else", "selects by kind", "does not select it"],
)
def test_policy_of_somebody_else_keeps_its_claimed_template(theirs):
    karmada = ControlPlane(CLAIMED, theirs, policy("store", name="common"))
    assert transfer_claims(karmada, [CLAIMED], ("store",)) == []
    assert karmada.patches == []


def test_template_with_the_workloads_own_claim_or_no_claim_is_left_alone():
    own = ControlPlane(CLAIMED, policy("shop", name="common"))
    assert transfer_claims(own, [CLAIMED], ("shop",)) == []
    free = {**CLAIMED, "metadata": {**CLAIMED["metadata"], "annotations": {}}}
    assert transfer_claims(ControlPlane(free, policy("store", name="common")), [free], ("store",)) == []
