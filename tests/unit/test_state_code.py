"""No code in a state is executed: dynamic resources use the program's own providers, or classes known by name."""

import ast
import base64
import importlib
import inspect
import json
import os
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pulumi
import pytest
from pulumi.dynamic import CreateResult, DiffResult, Resource, ResourceProvider, dynamic

import components
from components.control_plane_pki import ControlPlanePki
from components.dynamic_providers import PROVIDERS
from flotilla.cli.main import main
from flotilla.engine.stack import EmbeddedStack
from flotilla.providers.dynamic import _registered_provider
from flotilla.state.config import Project
from tests.conformance.file_resource import FileResource

REPOSITORY = Path(__file__).parents[2]


class _Malicious:
    def __init__(self, marker):
        self._marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self._marker,)


class CounterProvider(ResourceProvider):
    """A provider of the program with a constructor argument; no package registers it."""

    serialize_as_secret_always = False

    def __init__(self, calls):
        super().__init__()
        self.start = 5
        self.live = calls

    def __getstate__(self):
        return {"start": self.start}

    def create(self, props):
        self.live.append("create")
        return CreateResult(id_="counter", outs={**props, "count": self.start})

    def diff(self, _id, olds, news):
        return DiffResult(changes=olds["name"] != news["name"], replaces=["name"], delete_before_replace=True)

    def delete(self, _id, _props):
        self.live.append("delete")


class Counter(Resource, module="own", name="Counter"):
    count: pulumi.Output[int]

    def __init__(self, calls, name, value):
        super().__init__(CounterProvider(calls), name, {"name": value, "count": None})


@pytest.fixture
def stack(state_folder):
    def make(program):
        return EmbeddedStack(Project.load(state_folder), "test", state_folder, program=program)

    return make


def poison(stack, marker):
    """Replace every provider in a state by a pickle that would create a folder."""
    text = base64.b64encode(pickle.dumps(_Malicious(marker))).decode()
    document = json.loads(stack.files.checkpoint.read_text())
    poisoned = 0
    for resource in document["checkpoint"]["latest"]["resources"]:
        for part in ("inputs", "outputs"):
            if "__provider" in resource.get(part, {}):
                resource[part]["__provider"] = text
                poisoned += 1
    stack.files.checkpoint.write_text(json.dumps(document))
    assert poisoned
    return text


VERBS = {
    "preview": lambda stack: stack.preview(),
    "preview --refresh": lambda stack: stack.preview(refresh_first=True),
    "up": lambda stack: stack.up(),
    "up --refresh": lambda stack: stack.up(refresh_first=True),
    "refresh": lambda stack: stack.refresh(),
    "refresh --preview-only": lambda stack: stack.refresh(preview_only=True),
    "destroy": lambda stack: stack.destroy(),
    "destroy --preview-only": lambda stack: stack.destroy(preview_only=True),
    "snapshot": lambda stack: stack.snapshot(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_loads_a_pickle_from_a_state(stack, tmp_path, verb):
    """A state with a resource whose class is known by name: every verb works, with that class."""
    made = stack(lambda: FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"}))
    made.up()
    poison(made, tmp_path / "marker")
    done = VERBS[verb](made)
    assert not getattr(done, "failures", [])
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("verb", ["show", "restore"])
def test_state_verbs_load_no_pickle(stack, tmp_path, verb, capsys):
    made = stack(lambda: FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"}))
    made.up()
    poison(made, tmp_path / "marker")
    main(["state", verb, "-C", str(tmp_path), "-s", "test"])
    assert "test.json" in capsys.readouterr().out
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("verb", ["drift", "status", "report"])
def test_read_only_verbs_load_no_pickle(stack, tmp_path, verb, capsys):
    made = stack(lambda: FileResource("one", {"folder": str(tmp_path / "files"), "value": "1"}))
    made.up()
    poison(made, tmp_path / "marker")
    (tmp_path / "Pulumi.test.yaml").write_text("config: {}\n")
    main([verb, "-C", str(tmp_path), "-s", "test", "--engine", "embedded"])
    capsys.readouterr()
    assert not (tmp_path / "marker").exists()


def test_library_imports_nothing_that_loads_pickles(repository):
    loaders = {"pickle", "dill", "marshal", "shelve", "cloudpickle", "joblib"}
    for file in (repository / "flotilla").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not loaders & {name.partition(".")[0] for name in names}, file


def test_provider_sent_by_the_sdk_is_stored_in_the_state_for_the_cli(stack):
    made = stack(lambda: Counter([], "one", "a"))
    made.up()
    (resource,) = [r for r in made.snapshot().resources if r.name == "one"]
    assert resource.inputs["__provider"] == resource.outputs["__provider"]
    assert base64.b64decode(resource.inputs["__provider"])[:1] == b"\x80"  # the first byte of a pickle


def test_provider_of_the_program_is_the_live_object(stack):
    """Its list is not in the pickle: only the program's own object can append to it."""
    calls = []
    made = stack(lambda: pulumi.export("count", Counter(calls, "one", "a").count))
    assert made.up().outputs == {"count": 5}
    assert made.up().changes == []
    assert calls == ["create"]


def test_program_may_have_more_dynamic_resources_than_the_recursion_limit(stack):
    """For each resource, the SDK wraps a method of the pickler, and does not restore it."""
    count = sys.getrecursionlimit() + 100
    pickler = pickle._Pickler
    before = pickler._batch_setitems, pickler.save_dict

    def program():
        for _ in range(count):
            dynamic.serialize_provider(CounterProvider([]))

    assert stack(program).preview().failures == []
    assert (pickler._batch_setitems, pickler.save_dict) == before


def test_components_restore_the_pickler_under_pulumis_cli():
    """With the CLI the embedded engine is not in the program's process; importing the components is enough."""
    script = (
        "import pickle, sys, components\n"
        "from pulumi.dynamic import dynamic\n"
        "from components.withdrawal import WithdrawalProvider\n"
        "before = pickle._Pickler._batch_setitems\n"
        "for _ in range(sys.getrecursionlimit() + 100): dynamic.serialize_provider(WithdrawalProvider())\n"
        "assert pickle._Pickler._batch_setitems is before\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=True)


def test_program_replaces_and_deletes_a_redeclared_resource_with_its_own_provider(stack):
    calls = []
    stack(lambda: Counter(calls, "one", "a")).up()
    assert stack(lambda: Counter(calls, "one", "b")).up().failures == []
    assert calls == ["create", "delete", "create"]


def test_program_deletes_one_of_several_resources_with_the_provider_of_the_others(stack):
    calls = []

    def both():
        Counter(calls, "one", "a")
        Counter(calls, "two", "a")

    stack(both).up()
    assert stack(lambda: Counter(calls, "one", "a")).up().failures == []
    assert calls == ["create", "create", "delete"]


@pytest.mark.parametrize("verb", ["destroy", "refresh", "up"])
def test_unknown_provider_is_refused_by_name_and_its_resource_stays(stack, tmp_path, verb):
    made = stack(lambda: Counter([], "one", "a"))
    made.up()
    poison(made, tmp_path / "marker")
    result = getattr(stack(lambda: None), verb)()
    (failure,) = result.failures
    assert "one" in failure
    assert "the provider of dynamic/own:Counter isn't known" in failure
    assert "--engine pulumi" in failure
    assert [r.name for r in made.snapshot().resources if r.name == "one"] == ["one"]
    assert not (tmp_path / "marker").exists()


def test_parallel_programs_keep_their_providers_separate(stack):
    from flotilla.providers.dynamic import _capture

    stack(lambda: Counter([], "one", "a")).preview()
    assert _capture.get() is None


def dynamic_resources():
    for module in pkgutil.iter_modules(components.__path__, "components."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, Resource) and kind is not Resource and kind.__module__ == module.name:
                yield kind


@pytest.mark.parametrize("kind", dynamic_resources(), ids=lambda kind: kind.__name__)
def test_every_dynamic_resource_of_the_project_is_known_by_name(kind):
    """Otherwise a destroy, which runs no program, could not delete it. Add it to components/dynamic_providers.py."""
    assert kind._resource_type_name in PROVIDERS
    assert isinstance(_registered_provider(kind._resource_type_name), ResourceProvider)


def test_installed_package_registers_its_providers():
    from flotilla.providers.dynamic import _from_entry_points

    announced = {token: target.removeprefix("flotilla_project.") for token, target in _from_entry_points(None).items()}
    assert announced.items() >= PROVIDERS.items()


def test_resource_of_the_project_is_refreshed_and_deleted_by_the_class_of_its_name(stack, tmp_path):
    """The class is the one that the installed package names, whatever code the state has."""
    args = {"names": ["x"], "lifetime_days": 9, "ca_lifetime_days": 99, "renew_before_days": 1, "generation": 1}
    made = stack(lambda: ControlPlanePki("pki", args))
    assert made.up().failures == []
    poison(made, tmp_path / "marker")
    for result in (made.refresh(), made.preview(refresh_first=True), made.destroy()):
        assert result.failures == []
    assert made.snapshot().resources == ()
    assert not (tmp_path / "marker").exists()
