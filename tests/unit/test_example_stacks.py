"""The example stacks are valid and documented, can be previewed before anything exists, and pass the policies."""

import gc
import json
from types import CoroutineType

import pytest

from flotilla.cli.main import main
from flotilla.stack.load import load_stack_file

EXAMPLES = ("dev", "lesson", "members", "platform", "production", "workloads")
ALONE = ("dev", "lesson", "platform", "production")
"""Those that need no other stack's state."""


@pytest.fixture
def run(examples, capsys):
    """Run a verb on a copy of the project whose clusters can't be reached."""

    def run(verb, stack, *options, expect=0):
        code = main([verb, "-C", str(examples), "-s", stack, "--json", *options])
        captured = capsys.readouterr()
        assert code == expect, captured.err or captured.out[-2000:]
        return json.loads(captured.out)

    return run


def test_every_example_is_listed(repository):
    committed = {f.name.split(".")[1] for f in (repository / "stacks").glob("Pulumi.*.yaml")} - {"sandbox"}
    assert committed == set(EXAMPLES)


@pytest.mark.parametrize("stack", EXAMPLES)
def test_every_example_is_valid(repository, home, stack):
    load_stack_file(repository / "stacks" / f"Pulumi.{stack}.yaml", base=repository)


@pytest.mark.parametrize("stack", ALONE)
def test_a_first_preview_works_when_nothing_exists(run, stack):
    plan = run("preview", stack, "--engine", "embedded")
    assert plan["failures"] == []
    assert set(plan["summary"]) == {"create"}
    assert run("preview", stack, "--engine", "embedded")["digest"] == plan["digest"], "nothing random is part of it"
    names = {step["name"] for step in plan["steps"]}
    assert "karmada-release" in names
    assert "karmada-ready" in names


@pytest.mark.parametrize("stack", ["members", "workloads"])
@pytest.mark.filterwarnings("always:coroutine:RuntimeWarning")
def test_workload_stack_before_its_platform_stack_is_refused_and_leaves_no_coroutines(run, stack, recwarn):
    def coroutines():
        return {id(o) for o in gc.get_objects() if isinstance(o, CoroutineType) and o.__qualname__.startswith("Output")}

    before = coroutines()
    gc.disable()  # so that garbage collection happens at a known moment
    try:
        refused = run("preview", stack, "--engine", "embedded", expect=1)
        left = coroutines() - before
    finally:
        gc.enable()
    assert "stack organization/flotilla/platform has nothing deployed" in refused["failures"][0]
    assert not left
    assert not [str(w.message) for w in recwarn if "never awaited" in str(w.message)]


def test_the_lessons_values_are_explained(run):
    reported = {value["path"]: value for value in run("explain", "lesson")["values"]}
    for path, value in (
        ("global.imageRegistry", "mirror.example.org"),
        ("apiServer.image.repository", "myifeng/k8s.gcr.io_kube-apiserver"),
        ("kubeControllerManager.image.repository", "myifeng/k8s.gcr.io_kube-controller-manager"),
        ("etcd.internal.image.repository", "myifeng/k8s.gcr.io_etcd"),
        ("apiServer.serviceType", "NodePort"),
        ("apiServer.nodePort", 31443),
    ):
        assert reported[path]["to"] == value
        assert reported[path]["why"]
        assert reported[path]["without"]
    assert "203.0.113.7" in reported["certs.auto.hosts"]["to"]
    assert len(run("explain", "lesson")["hazards"]) == 3
    assert run("explain", "workloads")["installs"] is None


@pytest.mark.parametrize("stack", ALONE)
def test_no_policy_is_violated_by_an_example(run, stack):
    verdicts = run("policy", stack, "--engine", "embedded")
    violated = [v for v in verdicts["verdicts"] if v["status"] == "fail"]
    assert verdicts["verdicts"]
    assert violated == []
