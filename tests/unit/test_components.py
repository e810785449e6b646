"""What the program declares, with recording mocks: every resource, in its order, with its options."""

import asyncio
import json
import runpy

import pulumi
import pytest
from pulumi.runtime.stack import run_pulumi_func

import components
from components import cluster_identity


class Recorder(pulumi.runtime.Mocks):
    def __init__(self):
        self.registered = {}

    def new_resource(self, args):
        self.registered[args.name] = args
        outputs = dict(args.inputs)
        if args.typ == "kubernetes:core/v1:Secret" and not outputs.get("data"):
            outputs["data"] = {"token": "dG9rZW4=", "ca.crt": "Y2E="}
        return f"{args.name}-id", outputs

    def call(self, args):
        return {}


@pytest.fixture
def run(monkeypatch, project, repository):
    """Run the whole program on some sections, and return what it registered."""
    monkeypatch.setattr(cluster_identity, "read_identity", lambda _text, name: f"uid-of-{name}")

    def run(sections):
        text = {f"flotilla:{key}": json.dumps(value) for key, value in sections.items()}
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(text))
        recorder = Recorder()

        async def main():
            pulumi.runtime.set_mocks(recorder, project="flotilla", stack="test", preview=False)
            await run_pulumi_func(lambda: runpy.run_path(str(repository / "__main__.py")) and None)

        asyncio.run(main())
        return recorder.registered

    return run


@pytest.fixture
def absolute(sections, project):
    for entry in (sections["controlPlane"], *sections["members"]):
        entry["kubeconfig"] = str(project / "kube.yaml")
    return sections


def test_a_member_is_every_object_of_its_join(run, absolute):
    registered = run(absolute)
    suffixes = {
        "namespace": "kubernetes:core/v1:Namespace",
        "account": "kubernetes:core/v1:ServiceAccount",
        "impersonator": "kubernetes:core/v1:ServiceAccount",
        "token": "kubernetes:core/v1:Secret",
        "impersonator-token": "kubernetes:core/v1:Secret",
        "role": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        "role-binding": "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        "credentials": "kubernetes:core/v1:Secret",
        "impersonator-credentials": "kubernetes:core/v1:Secret",
        "cluster": "kubernetes:cluster.karmada.io/v1alpha1:Cluster",
    }
    for member in ("member1", "member2"):
        assert {s: registered[f"{member}-{s}"].typ for s in suffixes} == suffixes
    assert registered["member1-cluster"].inputs["spec"]["id"] == "uid-of-member1"
    assert registered["member1-credentials"].inputs["data"] == {"token": "dG9rZW4=", "caBundle": "Y2E="}
    assert registered["member1-impersonator-credentials"].inputs["data"] == {"token": "dG9rZW4="}


def test_every_object_has_its_own_clusters_provider(run, absolute):
    registered = run(absolute)
    for name, args in registered.items():
        if args.typ.startswith("kubernetes:"):
            control_plane = name.startswith("nginx") or name.endswith(("credentials", "-cluster"))
            expected = "karmada-provider" if control_plane else f"{name.split('-')[0]}-provider"
            assert f"::{expected}::" in args.provider, name


def test_providers_survive_a_renewed_kubeconfig(run, absolute):
    registered = run(absolute)
    for name in ("karmada", "member1", "member2"):
        assert registered[f"{name}-provider"].inputs["clusterIdentifier"] == name


def test_a_workload_is_policies_templates_and_a_rollout(run, absolute):
    absolute["workloads"][0]["overrides"] = [{"clusters": ["member2"], "image": {"tag": "1.28"}}]
    registered = run(absolute)
    template = registered["nginx-deployment-nginx"].inputs
    assert template["metadata"]["annotations"] == {"pulumi.com/skipAwait": "true"}
    policy = registered["nginx-policy"].inputs["spec"]
    assert policy["placement"]["clusterAffinity"] == {"clusterNames": ["member1", "member2"]}
    assert policy["conflictResolution"] == "Abort"
    rule = registered["nginx-override"].inputs["spec"]["overrideRules"][0]
    assert rule["overriders"]["imageOverrider"] == [{"component": "Tag", "operator": "replace", "value": "1.28"}]
    assert registered["nginx-rollout"].inputs["overrideRules"] == [rule]


def test_no_default_provider_is_used(repository):
    assert 'value: ["kubernetes"]' in (repository / "Pulumi.yaml").read_text()


def test_every_component_has_its_type_token(run, absolute):
    registered = run(absolute)
    tokens = {args.typ for args in registered.values()}
    for name in components.__all__:
        if not name.endswith("Args"):
            assert f"flotilla:index:{name}" in tokens
