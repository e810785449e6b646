"""A stack that is written from a fleet declares what is there: object by object, field by field."""
# ruff: noqa: F811 - the fixture of the program comes from the tests of components

import pytest
import yaml

from flotilla.karmada.kinds import identity
from tests.every_key import NEWEST, workloads_for
from tests.unit.adopting import Adoption, clusters_of, found_of, in_karmada, live
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
def declare(run, project):
    """Run the program on a fleet of three members; return what it declares in the control plane, and the Clusters."""
    (project / "member3.yaml").write_text((project / "member2.yaml").read_text().replace("127.0.0.1:3", "127.0.0.1:4"))

    def declare(sections):
        registered = run(sections)
        return in_karmada(registered), clusters_of(registered)

    return declare


def stack(project, *workloads, version=NEWEST, **more):
    members = [{**member, "kubeconfig": str(project / member["kubeconfig"])} for member in MEMBERS]
    control_plane = {"kubeconfig": str(project / "kube.yaml"), "version": version}
    return {"controlPlane": control_plane, "members": members, "workloads": list(workloads), **more}


def same_again(declare, project, before, clusters, *, version=NEWEST, **found):
    """Adopt what is declared, once it runs, and expect the same to be declared again."""
    adoption = Adoption(project, found_of(live(before.values(), version=version), clusters, **found), version=version)
    after, clusters_after = declare(adoption.absolute())
    for key, obj in before.items():
        assert after.get(key) == obj, key
    assert after == before
    assert {one["metadata"]["name"]: one for one in clusters_after} == {
        one["metadata"]["name"]: one for one in clusters
    }
    return adoption


def _with_both_zones(workload):
    """Before 1.12 a cluster is in a zone with all of its zones, or not at all."""
    overrides = [
        {**one, "target": {**one["target"], "zones": ["us-a", "us-b"]}} if "zones" in (one.get("target") or {}) else one
        for one in workload.get("overrides", [])
    ]
    return {**workload, **({"overrides": overrides} if overrides else {})}


@pytest.mark.parametrize("version", ["1.10", "1.14", NEWEST])
def test_a_stack_of_every_key_is_declared_again_in_short_form(declare, project, version):
    workloads = [_with_both_zones(one) for one in workloads_for(version)]
    before, clusters = declare(stack(project, *workloads, version=version))
    adoption = same_again(declare, project, before, clusters, version=version)
    assert set(adoption.workloads) == {one["name"] for one in workloads}
    assert [name for name, one in adoption.workloads.items() if "placement" not in one] == []
    assert adoption.left_out == {}
    assert adoption.workloads["named"]["placement"] == {"clusters": ["member1"], "exclude": ["member2"]}
