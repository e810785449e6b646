"""Stack files, manifests and kubeconfigs with any content lead to a result or to one of our own errors."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.errors import FlotillaError
from flotilla.karmada.propagation import override_policy, propagation_policy
from flotilla.karmada.versions import Version
from flotilla.kube import kubeconfig, yaml
from flotilla.kube.kubeconfig_rules import same_server, url_problem
from flotilla.stack.files import ManifestFiles
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.specs import override_rules, propagation_spec
from flotilla.workloads.manifests import ManifestError, parse_manifests
from flotilla.workloads.objects import manifests_of
from tests.every_key import WORKLOADS
from tests.unit.conftest import KUBECONFIG
from tests.unit.fuzzing import ANYTHING, WORDS, damaged, dumped, fuzz, mutated, workloads

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "web:1", "args": ["a"], "env": [{"name": "A", "value": "b"}]}]
            },
        },
    },
}
MANIFESTS = (
    DEPLOYMENT,
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"k": "v"},
        "binaryData": {"b": "QQ=="},
    },
    {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "QQ=="}, "stringData": {"p": "q"}},
    {"apiVersion": "v1", "kind": "List", "items": [DEPLOYMENT]},
)
KUBECONFIGS = (
    KUBECONFIG,
    {
        **KUBECONFIG,
        "clusters": [
            {
                "name": "one",
                "cluster": {
                    "server": "https://127.0.0.1:1",
                    "certificate-authority-data": "QQ==",
                    "tls-server-name": "a",
                    "proxy-url": "http://127.0.0.1:3128",
                },
            }
        ],
        "users": [
            {
                "name": "admin",
                "user": {
                    "client-certificate-data": "QQ==",
                    "client-key-data": "QQ==",
                    "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./a", "args": ["b"]},
                },
            }
        ],
    },
)
_TAKEN = ("packed", "halted-there", "stateful", "in-waves")
STACK = {
    "config": {
        "flotilla:controlPlane": {"kubeconfig": "kube.yaml", "version": "1.18.2"},
        "flotilla:clusters": [
            {"name": "kind1", "networking": {"podSubnet": "10.7.0.0/16"}, "nodes": [{"role": "control-plane"}]}
        ],
        "flotilla:members": [
            {
                "name": "member1",
                "kubeconfig": {"path": "member1.yaml", "context": "admin"},
                "apiEndpoint": "https://10.0.0.1:6443",
                "labels": {"tier": "front"},
                "zones": ["a"],
                "taints": [{"key": "a", "effect": "NoSchedule"}],
            },
            {
                "name": "member2",
                "kubeconfig": "member2.yaml",
                "mode": "Pull",
                "agent": {"lifetimeDays": 30},
                "labels": {"tier": "back"},
            },
        ],
        "flotilla:workloads": [
            {
                "name": "nginx",
                "image": "nginx:1.27",
                "replicas": 3,
                "ports": [80],
                "env": {"A": "b"},
                "resources": {"limits": {"cpu": "1"}},
                "placement": {
                    "clusters": ["member1", "member2"],
                    "replicas": "divided",
                    "weights": {"member1": 1, "member2": 2},
                },
                "overrides": [
                    {
                        "clusters": ["member1"],
                        "image": {"tag": "1.28"},
                        "patches": [{"op": "replace", "path": "/spec/replicas", "value": 1}],
                    }
                ],
            },
            *({"image": "web:1", **one} for one in WORKLOADS if one["name"] in _TAKEN),
            {
                "name": "files",
                "manifests": ["objects.yaml"],
                "placement": {"labels": {"tier": "front"}, "tolerations": [{"key": "a"}]},
            },
        ],
        "flotilla:policies": {"environment": "production"},
    }
}


def texts_of(*valid):
    """Draw texts: any text, any data as YAML, valid data with mutations, and damaged valid texts."""
    return st.one_of(
        st.text(max_size=60),
        st.lists(WORDS, max_size=8).map("\n".join),
        ANYTHING.map(dumped),
        mutated(*valid).map(dumped),
        st.sampled_from([dumped(document) for document in valid]).flatmap(damaged),
    )


@fuzz(examples=150)
@given(texts_of(DEPLOYMENT))
def test_any_yaml_text_is_read_or_refused_in_one_line(text):
    try:
        found = yaml.load_all(text)
    except yaml.YamlError as error:
        assert "\n" not in error.problem  # noqa: PT017 - an error is as good an answer as data
    else:
        assert len(json.dumps(found, allow_nan=False)) <= 2 * len(text) + 100


@fuzz(examples=100)
@given(ANYTHING.map(dumped), st.lists(st.integers(0, 3) | st.text(max_size=4), max_size=4))
def test_any_yaml_path_is_found_or_not_found(text, path):
    place = yaml.place_of(text, tuple(path))
    assert place is None or 1 <= place.line <= text.count("\n") + 2


@fuzz(examples=150)
@given(texts_of(*MANIFESTS))
def test_any_manifest_gives_objects_or_problems(text):
    try:
        objects = parse_manifests(text)
    except ManifestError as error:
        found = error.problems
        assert found
        assert not any("\n" in problem for problem in found)
    else:
        assert all(isinstance(obj["metadata"]["name"], str) and isinstance(obj["kind"], str) for obj in objects)
        json.dumps(objects).encode()


@fuzz(examples=200)
@given(texts_of(*KUBECONFIGS))
def test_any_kubeconfig_gives_one_cluster_or_is_refused(text):
    try:
        chosen = kubeconfig.checked(kubeconfig.select(kubeconfig.load(text)))
    except FlotillaError as error:
        assert "hunter2" not in error.message  # noqa: PT017
        return
    cluster = chosen["clusters"][0]["cluster"]
    assert kubeconfig.select(kubeconfig.load(kubeconfig.dump(chosen))) == chosen
    if not url_problem(cluster.get("server") or ""):
        assert same_server(cluster)


@fuzz(examples=300)
@given(workloads(), st.integers(10, 18))
def test_any_workload_gives_a_policy_or_is_refused(project, workload, minor):
    member = {"kubeconfig": "kube.yaml", "provider": "gcp", "region": "us", "zones": ["us-a"]}
    sections = {
        "controlPlane": {"kubeconfig": "kube.yaml", "version": f"1.{minor}"},
        "members": [{"name": f"member{number}", **member} for number in (1, 2, 3)],
    }
    try:
        sections["workloads"] = yaml.load_all(dumped([workload]))[0]
    except yaml.YamlError:
        return  # such a value can't be in a stack file
    try:
        fleet = parse_fleet(sections, base=project, files=False)
    except ConfigError as error:
        heading, *lines = error.message.splitlines()
        assert f"has {len(lines)} problem" in heading
        return
    (declared,) = fleet.workloads
    spec = propagation_spec(declared, Version(1, minor))
    objects = manifests_of(declared, ManifestFiles(project)) if declared.image else []
    policy = propagation_policy("p", namespace="default", templates=objects, spec=spec)
    override = override_policy("p", namespace="default", templates=objects, rules=override_rules(declared))
    assert json.loads(json.dumps([policy, override], allow_nan=False)) == [policy, override]
    assert policy["spec"]["placement"]["replicaScheduling"]["replicaSchedulingType"] in ("Duplicated", "Divided")


@pytest.fixture
def folder(project, repository):
    (project / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    (project / "stacks").mkdir()
    (project / "objects.yaml").write_text(dumped(MANIFESTS[1]))
    (project / "stacks" / "Pulumi.dev.yaml").write_text(dumped(STACK))
    main(["validate", "-C", str(project), "-s", "dev"])  # imports must not count as time of the first example
    return project


@fuzz(examples=60)
@given(text=texts_of(STACK))
def test_validate_answers_any_stack_file(folder, capsys, text):
    (folder / "stacks" / "Pulumi.dev.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    code = main(["validate", "-C", str(folder), "-s", "dev"])
    said = capsys.readouterr()
    assert code in (ExitCode.DONE, ExitCode.FAILED, ExitCode.USAGE)
    assert "Traceback" not in said.out + said.err
    heading, *problems = said.err.splitlines() or [""]
    if code is ExitCode.USAGE and " problem" in heading:
        assert f"has {len(problems)} problem" in heading


def test_stack_before_mutation_is_valid(folder, capsys):
    assert main(["validate", "-C", str(folder), "-s", "dev"]) == ExitCode.DONE, capsys.readouterr().err
