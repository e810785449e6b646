"""Sources in Python: functions of a package or of the project that return a workload's objects."""

# ruff: noqa: F811 - fixtures are arguments here

import pytest
import yaml

from flotilla.plugins import Group
from flotilla.scaffold.writing import write_project
from flotilla.stack.files import ManifestFiles, read_manifests
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.workloads.sources.rendering import NOT_KEPT
from flotilla.workloads.sources.renderings import read_by, rendering_keys
from tests.unit.test_plugins import package  # noqa: F401

NUMBER = iter(range(1000))
TEAM = """
def objects(asked):
    data = {"team": asked.args["team"], "workload": asked.workload, "here": str(asked.project.exists())}
    metadata = {"name": "owner", "namespace": asked.namespace}
    yield {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
"""


@pytest.fixture
def given(project, sections):
    """A stack whose workload has a source in the project; `write(text)` writes the code of the source."""
    entry = {"name": "web", "namespace": "shop", "placement": {"clusters": ["member1"]}}
    sections["workloads"] = [{**entry, "source": {"use": "team", "args": {"team": "red"}}}]

    class Given:
        base, stack = project, sections

        def write(self, text, name="team"):
            module = f"own_source_of_tests_{next(NUMBER)}"  # Python imports a module once in a process
            (project / f"{module}.py").write_text(text)
            table = f'[project.entry-points."{Group.SOURCES}"]\n{name} = "{module}:objects"\n'
            (project / "pyproject.toml").write_text(f'[project]\nname = "x"\n{table}')

        def fleet(self, *, programs=True):
            files = ManifestFiles(project, programs=programs)
            return parse_fleet(sections, base=project, manifests=files), files

        def objects(self, **options):
            fleet, files = self.fleet(**options)
            return read_manifests(fleet.workloads[0], files)

        def problem(self, **options):
            with pytest.raises(ConfigError) as refused:
                self.fleet(**options)
            (problem,) = refused.value.problems
            return problem

    return Given()


def test_objects_of_a_workload_are_those_that_its_source_returns(given):
    given.write(TEAM)
    (found,) = given.objects()
    assert found["metadata"] == {"name": "owner", "namespace": "shop"}
    assert found["data"] == {"team": "red", "workload": "web", "here": "True"}


def test_objects_of_an_installed_source_are_in_the_plan(package, tmp_path):
    package(Group.SOURCES, {"team": "acme_team:objects"}, acme_team=TEAM)
    project = tmp_path / "my-fleet"
    write_project(project, "my-fleet")
    file = project / "stacks" / "Pulumi.dev.yaml"
    document = yaml.safe_load(file.read_text())
    (workload,) = document["config"]["flotilla:workloads"]
    image = {"image", "replicas", "ports", "env", "resources", "labels"}
    kept = {key: value for key, value in workload.items() if key not in image}
    document["config"]["flotilla:workloads"] = [{**kept, "source": {"use": "team", "args": {"team": "blue"}}}]
    file.write_text(yaml.safe_dump(document))
    from flotilla_project.components.mocks import declared

    notes = [one for one in declared(project, "dev").resources if one.type == "kubernetes:core/v1:ConfigMap"]
    assert [one.inputs["data"]["team"] for one in notes] == ["blue"]


@pytest.mark.parametrize(
    "text",
    [
        "return '---\\napiVersion: v1\\nkind: Namespace\\nmetadata: {name: a}\\n---\\n' + NAMESPACE_B",
        "return [{'apiVersion': 'v1', 'kind': 'List', 'items': [namespace('a'), namespace('b')]}]",
        "return {'apiVersion': 'v1', 'kind': 'List', 'items': (namespace('a'), namespace('b'))}",
        "return (namespace(name) for name in 'ab')",
    ],
)
def test_a_source_returns_objects_or_yaml(given, text):
    helpers = """
NAMESPACE_B = "apiVersion: v1\\nkind: Namespace\\nmetadata: {name: b}\\n"
def namespace(name):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
"""
    given.write(f"{helpers}\ndef objects(asked):\n    {text}\n")
    assert [one["metadata"]["name"] for one in given.objects()] == ["a", "b"]


WRONG = {
    "raises": ("def objects(asked):\n    1 / 0\n", "failed: ZeroDivisionError"),
    "ends": ("def objects(asked):\n    raise SystemExit(3)\n", "failed: SystemExit"),
    "no list": ("def objects(asked):\n    return 3\n", "failed: TypeError"),
    "no plain data": ("def objects(asked):\n    return [{1, 2}]\n", "failed: TypeError"),
    "no number": ("def objects(asked):\n    return [{'a': float('nan')}]\n", "failed: ValueError"),
    "no object": ("def objects(asked):\n    return ['text']\n", "returned: a document is a text"),
    "no name": (
        "def objects(asked):\n    return [{'apiVersion': 'v1', 'kind': 'Secret'}]\n",
        "returned: a Secret has no metadata.name",
    ),
    "nothing": ("def objects(asked):\n    return []\n", "returned: contains no object"),
    "no YAML": ("def objects(asked):\n    return 'a: ['\n", "not valid YAML"),
    "no function": ("objects = 3\n", "is not a function: its type is int"),
    "no module": ("import nothing_of_this_name\n", "can't be imported: ModuleNotFoundError"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_error_of_a_source_is_a_problem_of_the_stack_file(given, text, said):
    given.write(text)
    problem = given.problem()
    assert problem.path == "workloads[0].source"
    assert said in problem.rule
    assert "flotilla.sources 'team' of pyproject.toml" in problem.rule


def test_unknown_source_is_refused_with_the_known_ones(given):
    given.write(TEAM, name="other")
    problem = given.problem()
    assert (problem.path, problem.value) == ("workloads[0].source.use", '"team"')
    assert "or use one of: other" in problem.remedy


def test_source_runs_once_in_a_run_and_again_in_the_next(given):
    """The inputs of a source are unknown, so a stored result is not used again."""
    count = "import pathlib\ndef objects(asked):\n    file = asked.project / 'count'\n"
    count += "    file.write_text(str(int(file.read_text()) + 1))\n"
    count += "    metadata = {'name': 'count-' + file.read_text()}\n"
    count += "    return [{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': metadata}]\n"
    given.write(count)
    (given.base / "count").write_text("0")
    assert [given.objects()[0]["metadata"]["name"] for _ in range(2)] == ["count-1", "count-2"]


def test_proposal_runs_no_source_and_uses_the_result_of_the_last_run(given):
    given.write(TEAM)
    assert given.problem(programs=False).rule == NOT_KEPT[0]
    found = given.objects()
    given.write("def objects(asked):\n    1 / 0\n")
    assert given.objects(programs=False) == found
    given.stack["workloads"][0]["source"]["args"] = {"team": "blue"}
    assert given.problem(programs=False).rule == NOT_KEPT[0]


def test_plan_digest_covers_the_result_of_a_source(given):
    (given.base / "stacks").mkdir()
    file = given.base / "stacks" / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": {f"flotilla:{key}": value for key, value in given.stack.items()}}))
    assert rendering_keys(file, given.base) == {}
    given.write(TEAM)
    given.objects()
    first = rendering_keys(file, given.base)
    given.write(TEAM.replace('"owner"', '"other"'))
    given.objects()
    assert list(first) == ["rendered web"]
    assert rendering_keys(file, given.base) != first


def test_source_may_read_any_file_of_its_project(given):
    given.write(TEAM)
    fleet, _ = given.fleet()
    assert read_by(fleet.workloads[0], given.base) == [given.base.resolve()]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"image": "nginx:1"}, "needs exactly one of"),
        ({"replicas": 2}, "set them in the source's `args`"),
    ],
)
def test_workload_with_a_source_has_no_other_source(given, more, text):
    given.write(TEAM)
    given.stack["workloads"][0] |= more
    assert text in str(given.problem())
