"""A stack that was written from a fleet declares the same objects as the fleet has."""
# ruff: noqa: F811 - the program's fixture is imported from the tests of components

import json

import pytest

from flotilla.workloads import needs
from tests.every_key import NEWEST, workloads_for
from tests.unit.adopting import (
    TAG,
    TO_FIRST,
    Adoption,
    cluster,
    clusters_of,
    comparable,
    found_of,
    in_karmada,
    live,
    own,
    pods,
    policy,
    secret,
    with_both_zones,
)
from tests.unit.test_components import run  # noqa: F401

MEMBERS = [
    {
        "name": "member1",
        "kubeconfig": "member1.yaml",
        "provider": "aws",
        "region": "eu",
        "zones": ["eu-a"],
        "labels": {"tier": "front"},
        "apiEndpoint": "https://member1.example:6443",
        "proxyUrl": "http://proxy.example:3128",
        "insecureSkipTlsVerify": True,
        "facts": {"size": 5},
    },
    {
        "name": "member2",
        "kubeconfig": "member2.yaml",
        "provider": "gcp",
        "region": "us",
        "zones": ["us-a", "us-b"],
        "labels": {"tier": "back"},
        "apiEndpoint": "https://member2.example:6443",
        "taints": [{"key": "site", "value": "edge", "effect": "NoSchedule"}],
    },
    {
        "name": "member3",
        "kubeconfig": "member3.yaml",
        "provider": "gcp",
        "region": "ap",
        "zones": ["ap-a"],
        "labels": {"tier": "back"},
        "apiEndpoint": "https://member3.example:6443",
    },
]


@pytest.fixture
def declare(run, project, monkeypatch):
    """Run the program on a fleet of three members; return the objects of the control plane, and the Clusters."""
    (project / "member3.yaml").write_text((project / "member2.yaml").read_text().replace("127.0.0.1:3", "127.0.0.1:4"))

    monkeypatch.setattr(needs, "ask", lambda *_args, **_more: None)  # there is no control plane to ask

    def declare(sections):
        registered = run(sections)
        return in_karmada(registered), clusters_of(registered)

    return declare


def stack(project, *workloads, version=NEWEST, **more):
    members = [{**member, "kubeconfig": str(project / member["kubeconfig"])} for member in MEMBERS]
    control_plane = {"kubeconfig": str(project / "kube.yaml"), "version": version}
    return {"controlPlane": control_plane, "members": members, "workloads": list(workloads), **more}


def assert_adoption_declares_the_same(declare, project, before, clusters, *, version=NEWEST, **found):
    """Adopt the objects that a stack declares, once they run, and check that the adopted stack declares the same."""
    adoption = Adoption(project, found_of(live(before.values(), version=version), clusters, **found), version=version)
    after, clusters_after = declare(adoption.absolute())
    for key, obj in before.items():
        assert after.get(key) == obj, key
    assert after == before
    assert {one["metadata"]["name"]: one for one in clusters_after} == {
        one["metadata"]["name"]: one for one in clusters
    }
    return adoption


@pytest.mark.parametrize("version", ["1.10", NEWEST])
def test_stack_with_every_key_is_adopted_in_short_form(declare, project, version):
    workloads = [with_both_zones(one) for one in workloads_for(version)]
    before, clusters = declare(stack(project, *workloads, version=version))
    adoption = assert_adoption_declares_the_same(declare, project, before, clusters, version=version)
    assert set(adoption.workloads) == {one["name"] for one in workloads}
    # Overrides of single objects become policies of their own; adoption does not read them back into overrides.
    assert [name for name, one in adoption.workloads.items() if "placement" not in one] == ["aimed"]
    assert adoption.left_out == {}
    assert adoption.workloads["named"]["placement"] == {"clusters": ["member1"], "exclude": ["member2"]}


def test_policies_of_any_form_and_control_plane_objects_are_adopted_unchanged(declare, project, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps(["flotilla:workloads"]))
    web, db, login = pods("web"), pods("db", namespace="back"), secret("login", {"password": "hunter2"})
    quota = own("FederatedResourceQuota", "policy.karmada.io/v1alpha1", "limits", spec={"overall": {"cpu": "10"}})
    there = live(
        [
            web,
            db,
            login,
            quota,
            policy("PropagationPolicy", "front", [web, login], placement=TO_FIRST, priority=3),
            policy("OverridePolicy", "tags", [web], overrideRules=[{"overriders": {"imageOverrider": [TAG]}}]),
            policy("ClusterPropagationPolicy", "back", [db], namespace=None, placement={}),
        ]
    )
    clusters = [cluster("member1"), cluster("member2")]
    adoption = Adoption(project, found_of(there, clusters))
    declared, _ = declare(adoption.absolute())
    assert comparable(declared.values()) == comparable(there)
    assert {name: sorted(one) for name, one in adoption.workloads.items()} == {
        "back": ["manifests", "name", "namespace", "policies"],
        "front": ["manifests", "name", "namespace", "policies", "secrets"],
    }
