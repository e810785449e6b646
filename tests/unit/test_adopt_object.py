"""`flotilla adopt OBJECT`: the stack adopts one declared object; it creates, changes and waits for nothing else."""

import argparse
import json

import pytest
import yaml

from flotilla.cli.completion import object_names
from flotilla.cli.main import main
from flotilla.plan.single import Wanted, blocking_step, matches, with_dependencies
from flotilla.plan.steps import Op, Step
from flotilla.state.checkpoint import ResourceState
from tests.contract.fleet import copy_program
from tests.contract.objects import pods
from tests.faults import FakeApi
from tests.faults.applied import owners, written

KUBECTL = "kubectl-client-side-apply"
OBJECT = "Deployment/default/web"


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    """A stack of one member and one workload that exist but are not adopted, on fake API servers."""
    for key in ("PULUMI_BACKEND_URL", "FLOTILLA_STACK", "FLOTILLA_ENGINE"):
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of tests")
    copy_program(tmp_path)
    with FakeApi() as member, FakeApi(written(pods("web", "default", replicas=2), KUBECTL)) as karmada:
        yield Fleet(tmp_path, karmada, member)


class Fleet:
    def __init__(self, project, karmada, member):
        self.project, self.karmada, self.member = project, karmada, member
        (project / "karmada.yaml").write_text(karmada.kubeconfig)
        (project / "member1.yaml").write_text(member.kubeconfig)
        self.declare(replicas=2)

    def declare(self, **spec):
        (self.project / "web.yaml").write_text(yaml.safe_dump(pods("web", "default", **spec)))
        placed = {"placement": {"clusters": ["member1"]}}
        config = {
            "flotilla:controlPlane": {"kubeconfig": "karmada.yaml", "version": "1.18.2"},
            "flotilla:members": [{"name": "member1", "kubeconfig": "member1.yaml"}],
            "flotilla:workloads": [{"name": "web", "manifests": ["web.yaml"], **placed}],
        }
        (self.project / "stacks" / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": config}))

    @property
    def web(self):
        return self.karmada.find("apps/v1", "Deployment", "web", "default")

    @property
    def state(self):
        file = self.project / ".flotilla" / "state" / ".pulumi" / "stacks" / "flotilla" / "prod.json"
        return json.loads(file.read_text())["checkpoint"]["latest"]["resources"]


@pytest.fixture
def adopt(fleet, capsys):
    def run(*arguments, expect=0, engine="embedded"):
        line = ["adopt", *arguments, "-s", "prod", "-C", str(fleet.project), "--engine", engine, "--json"]
        code = main(line)
        out, err = capsys.readouterr()
        assert code == expect, err
        assert "Traceback" not in err
        return json.loads(out)

    return run


def test_one_object_is_adopted_and_nothing_else_is_written(fleet, adopt):
    was = fleet.web
    plan = adopt(OBJECT, "--preview-only")
    assert [step["urn"].rpartition("::")[2] for step in plan["steps"] if step["op"] == "adopt"] == [
        "deployment-default/web"
    ]
    assert fleet.web == was
    done = adopt(OBJECT, "--plan", plan["digest"])
    assert done["summary"]["adopt"] == 1
    assert fleet.web["metadata"]["uid"] == was["metadata"]["uid"]
    assert fleet.web["spec"] == was["spec"]
    assert {name[:18] for name in owners(fleet.web, "spec", "replicas")} == {"pulumi-kubernetes-"}
    assert fleet.karmada.find("policy.karmada.io/v1alpha1", "PropagationPolicy", "web", "default") is None
    assert fleet.karmada.find("cluster.karmada.io/v1alpha1", "Cluster", "member1", "") is None
    assert fleet.member.find("v1", "Namespace", "karmada-cluster", "") is None
    assert adopt(OBJECT, "--yes")["summary"].get("adopt") is None, "it is the stack's by now"


def test_state_with_one_adopted_object_has_no_dependency_on_missing_resources(fleet, adopt):
    """Pulumi's CLI refuses a state whose resources depend on resources that the targets left out."""
    adopt(OBJECT, "--yes")
    urns = {one["urn"] for one in fleet.state}
    named = {urn for one in fleet.state for urn in one.get("dependencies", [])}
    named |= {urn for one in fleet.state for urns_ in one.get("propertyDependencies", {}).values() for urn in urns_}
    assert named <= urns


def test_difference_is_shown_and_confirmed(fleet, adopt):
    fleet.declare(replicas=3)
    refused = adopt(OBJECT, expect=2)
    assert refused["error"]["kind"] == "not-confirmed"
    (step,) = [step for step in refused["steps"] if step["op"] == "adopt"]
    assert [(c["path"], c["old"], c["new"]) for c in step["changes"]] == [("spec.replicas", 2, 3)]
    assert fleet.web["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["Deployment/default/wep"], 2, "nothing in stack prod declares Deployment/default/wep"),
        (
            [OBJECT, "--cluster", "member1"],
            2,
            "nothing in stack prod declares Deployment/default/web in cluster member1",
        ),
        (["Namespace/karmada-cluster"], 1, "does not exist, so there is nothing to adopt"),
        (["web"], 2, "'web': write KIND/NAME or KIND/NAMESPACE/NAME"),
        (["a//b"], 2, "'a//b': write KIND/NAME or KIND/NAMESPACE/NAME"),
        ([], 2, "adopt needs --karmada-kubeconfig, or an OBJECT to take over"),
        (["--yes"], 2, "--yes needs an OBJECT"),
        ([OBJECT, "--dry-run"], 2, "--dry-run is for writing a new stack file"),
        ([OBJECT, "--from-member", "member1"], 2, "--from-member is for writing a new stack file"),
        ([OBJECT, "-n", "default"], 2, "--namespace is for writing a new stack file"),
    ],
)
def test_name_that_means_no_adoptable_object_is_refused_in_one_line(fleet, adopt, arguments, code, said):
    was = fleet.web
    assert said in adopt(*arguments, expect=code)["error"]["message"]
    assert fleet.web == was


def test_cluster_that_does_not_answer_is_reported_and_not_called_empty(fleet, adopt):
    (fleet.project / "karmada.yaml").write_text(
        fleet.karmada.kubeconfig.replace(fleet.karmada.server, "https://127.0.0.1:1")
    )
    assert "nothing to adopt" not in adopt(OBJECT, expect=1)["error"]["message"]


def test_shell_completes_the_objects_of_the_stack(fleet):
    assert object_names(parsed_args=argparse.Namespace(project=fleet.project, stack="prod")) == [OBJECT]
    assert object_names(parsed_args=argparse.Namespace(project=fleet.project, stack="none")) == []


# -- resources that are adopted together ----------------------------------------------------------


def step(op, type_, name, *, made_of=(), provider="", kind="", custom=True):
    urn = f"urn:pulumi:s::p::{type_}::{name}"
    inputs = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "a"}} if kind else {}
    needs = {"data": [one.urn for one in made_of]}
    reference = f"{provider.urn}::1" if provider else ""
    state = ResourceState(urn, custom, type_, inputs=inputs, provider=reference, property_dependencies=needs)
    return Step(op, urn, type_, reference, new=state)


IDENTITY = step(Op.CREATE, "pulumi-python:dynamic/flotilla:ClusterIdentity", "identity")
PROVIDER = step(Op.CREATE, "pulumi:providers:kubernetes", "member1-provider", made_of=[IDENTITY])
OTHER = step(Op.CREATE, "pulumi:providers:kubernetes", "member2-provider")


def secret(op, name="token", **more):
    return step(op, "kubernetes:core/v1:Secret", name, kind="Secret", **{"provider": PROVIDER, **more})


def test_inputs_of_an_object_are_adopted_with_it_and_what_it_only_waits_for_is_not():
    token, unrelated = secret(Op.ADOPT), secret(Op.CREATE, "unrelated")
    copy = secret(Op.ADOPT, "copy", made_of=[token], provider=OTHER)
    steps = [IDENTITY, PROVIDER, OTHER, token, unrelated, copy]
    along = with_dependencies(steps, [copy.urn])
    assert {one.name for one in along} == {"identity", "member1-provider", "member2-provider", "token", "copy"}
    assert blocking_step(along, [copy.urn]) is None


@pytest.mark.parametrize("op", [Op.CREATE, Op.UPDATE, Op.REPLACE])
def test_object_whose_inputs_do_not_exist_yet_cannot_be_adopted_alone(op):
    token = secret(op)
    copy = secret(Op.ADOPT, "copy", made_of=[token])
    assert blocking_step(with_dependencies([IDENTITY, PROVIDER, token, copy], [copy.urn]), [copy.urn]) is token


def test_name_matches_an_object_in_each_cluster_that_has_it():
    steps = [secret(Op.ADOPT), secret(Op.ADOPT, provider=OTHER), IDENTITY, PROVIDER]
    for wanted in (Wanted("Secret", "token"), Wanted("secret", "token", "a")):
        assert [one.cluster for one in matches(steps, wanted)] == ["member1", "member2"]
    assert matches(steps, Wanted("Secret", "token", "b")) == []
