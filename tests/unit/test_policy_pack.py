"""The policy pack in its own process, called by the protocol of Pulumi's engine, gives the same verdicts."""

import shutil
import subprocess
import sys
from contextlib import contextmanager

import grpc
import pytest
import yaml
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc

from flotilla.deploy.engines import open_stack
from flotilla.deploy.interface import EngineName, Setting
from flotilla.deploy.policies import judge
from flotilla.policy.evaluate import Status, evaluate
from flotilla.policy.model import UNKNOWN, Resource, StackView
from flotilla.stack.policies import Environment, PolicySettings
from flotilla.state.urns import provider_of
from flotilla.state.values import UNKNOWN_TEXT, reveal, to_struct
from tests.conftest import REPOSITORY
from tests.unit.test_policies import FLEET, RULES, cluster, deployment, member, overrides, placement, tag, unknown_at

WRONG = (
    *FLEET,
    cluster("member3", insecureSkipTLSVerification=True),
    deployment({"image": "nginx", "resources": {}, "env": [{"name": "API_KEY", "value": "plain"}]}, replicas=1),
    placement("member1", "member9"),
    overrides(tag("latest", "member1"), tag("1.28", "member2")),
    member(protect=False),
)
NOT_KNOWN = (*FLEET, unknown_at(deployment(), "spec", "template", "spec", "containers", 0, "image"))


class Pack:
    """A running policy pack, and the project whose stack files it reads."""

    def __init__(self, project, stub):
        self.project = project
        self.stub = stub

    def configured(self, environment, version=""):
        # A guard's level is valid here, although the pack has no guards.
        config = {"flotilla:policies": {"environment": str(environment), "levels": {"freeze": "advisory"}}}
        if version:
            config["flotilla:controlPlane"] = {"kubeconfig": "kube.yaml", "version": version}
        (self.project / "stacks" / "Pulumi.s.yaml").write_text(yaml.safe_dump({"config": config}))
        return self

    def verdicts(self, resources):
        """Call the pack as the engine does: first with each resource's inputs, then with all resources."""
        for resource in resources:
            parts = {
                key: getattr(resource, key) for key in ("type", "properties", "urn", "name", "options", "provider")
            }
            assert not self.stub.Analyze(analyzer_pb2.AnalyzeRequest(**parts), timeout=30).diagnostics
        for resource in resources:
            resource.properties.Clear()
        request = analyzer_pb2.AnalyzeStackRequest(resources=resources)
        diagnostics = self.stub.AnalyzeStack(request, timeout=30).diagnostics
        levels = {analyzer_pb2.MANDATORY: "mandatory", analyzer_pb2.ADVISORY: "advisory"}
        return {
            (d.policyName.removesuffix("-advice"), levels[d.enforcementLevel], _resource_in(d.message))
            for d in diagnostics
        }


@contextmanager
def serving(project):
    process = subprocess.Popen(
        [sys.executable, "-u", "policies", "127.0.0.1:1", "policies"], cwd=project, stdout=subprocess.PIPE
    )
    try:
        port = int(process.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Pack(project, analyzer_pb2_grpc.AnalyzerStub(channel))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def failed(verdicts):
    return {(v.rule.name, str(v.level), v.resource) for v in verdicts if v.status is Status.FAIL}


def _resource_in(message):
    """Return the subject of a diagnostic; the policy's reason is on a line before it."""
    return message.splitlines()[-1].partition(": ")[0]


def _wire(resource):
    properties = struct_pb2.Struct()
    json_format.ParseDict(_known(resource.props), properties)
    return analyzer_pb2.AnalyzerResource(
        type=resource.type,
        properties=properties,
        urn=resource.urn,
        name=resource.name,
        parent=resource.parent,
        options=analyzer_pb2.AnalyzerResourceOptions(protect=resource.protect),
    )


def _known(value):
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if isinstance(value, dict):
        return {key: _known(entry) for key, entry in value.items()}
    return [_known(entry) for entry in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(REPOSITORY / "policies", project / "policies")
    (project / "stacks").mkdir()
    with serving(project) as made:
        yield made


def test_every_rule_is_a_resource_policy_and_a_stack_policy(pack):
    info = pack.stub.GetAnalyzerInfo(empty_pb2.Empty(), timeout=30)
    rules = {name + end for name in RULES for end in ("", "-advice")}
    assert {policy.name for policy in info.policies} == {"declared", *rules}


@pytest.mark.parametrize("environment", [Environment.DEVELOPMENT, Environment.PRODUCTION], ids=str)
@pytest.mark.parametrize("resources", [WRONG, NOT_KNOWN, FLEET], ids=["wrong", "not-known", "sound"])
def test_pack_and_command_give_the_same_verdicts(pack, resources, environment):
    # The engine passes only the URN of a Kubernetes object's parent, and only if the parent is a resource of the plan.
    parents = {resource.parent for resource in resources if resource.parent}
    whole = (*resources, *(_component(urn) for urn in sorted(parents)))
    view = StackView(whole, PolicySettings(environment=environment))
    ours = failed(evaluate(RULES.values(), view))
    assert pack.configured(environment).verdicts([_wire(resource) for resource in whole]) == ours
    if resources is WRONG:
        assert ours


@pytest.mark.parametrize(("version", "violated"), [("1.17.3", True), ("1.18.2", False), ("", False)])
def test_pack_uses_the_karmada_version_of_the_stack(pack, version, violated):
    """Which clusters an override by zone selects depends on Karmada's version."""
    zone = {"fieldSelector": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["us-a"]}]}}
    rule = {**tag("1.28"), "targetCluster": zone}
    fleet = (cluster("member1", zones=["us-a", "us-b"]), deployment(), placement("member1"), overrides(rule))
    parents = {resource.parent for resource in fleet if resource.parent}
    whole = (*fleet, *(_component(urn) for urn in sorted(parents)))
    found = pack.configured(Environment.DEVELOPMENT, version).verdicts([_wire(resource) for resource in whole])
    assert ("overrides-change-something" in {rule for rule, _, _ in found}) is violated


def _component(urn):
    kind, _, name = urn.split("::", 2)[2].partition("::")
    return Resource(urn, kind, name)


def spoil(config):
    """Change a stack's fleet so that it violates many rules: TLS to the member, images, and placement."""
    config["flotilla:members"][0] |= {"insecureSkipTlsVerify": True, "protect": False}
    config["flotilla:workloads"][0] |= {"image": "nginx:latest", "replicas": 1, "resources": None}


SPOILT = {
    "dev": {"images-pinned", "requests-and-limits"},
    "production": {"images-pinned", "requests-and-limits", "protected", "tls-verified", "two-of-each"},
}


@pytest.mark.parametrize(
    ("stack", "violated"),
    [*((name, set()) for name in ("dev", "lesson", "platform", "production")), *SPOILT.items()],
)
def test_first_plan_of_an_example_gets_the_same_verdicts(examples, stack, violated):
    file = examples / "stacks" / f"Pulumi.{stack}.yaml"
    if violated:
        document = yaml.safe_load(file.read_text())
        spoil(document["config"])
        file.write_text(yaml.safe_dump(document))
    result = open_stack(EngineName.EMBEDDED, Setting(examples, stack)).preview()
    assert not result.failures
    ours = failed(judge(result, examples, file))
    with serving(examples) as pack:
        theirs = pack.verdicts([_wire_of(step.new) for step in result.steps])
    assert theirs == ours
    assert {rule for rule, _, _ in ours} == violated


def _wire_of(state):
    """Return a resource of a plan as Pulumi's engine passes it to a pack: inputs without markers of secrets."""
    return analyzer_pb2.AnalyzerResource(
        type=state.type,
        properties=to_struct(reveal(state.inputs)),
        urn=state.urn,
        name=state.name,
        parent=state.parent,
        provider=analyzer_pb2.AnalyzerProviderResource(name=provider_of(state.provider)),
        options=analyzer_pb2.AnalyzerResourceOptions(protect=state.protect),
    )
