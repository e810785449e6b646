"""The JSON Schema of stack files accepts what the models accept: each short form, and complete stack files."""

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from flotilla.stack.fleet import Fleet
from flotilla.stack.load import parse_fleet
from flotilla.stack.problems import ConfigError
from flotilla.stack.schema import stack_file_schema
from tests.conftest import REPOSITORY

WAVE = {"clusters": ["member1"]}
KUBECONFIG = {"path": "kube.yaml"}
OWN_SOURCE = {"name": "web", "placement": {"clusters": ["member1"]}}
FORMS = {
    "Kubeconfig": [
        ("controlPlane", {"kubeconfig": "kube.yaml"}),
        ("controlPlane", {"kubeconfig": KUBECONFIG}),
        ("members.0.kubeconfig", "member1.yaml"),
    ],
    "Maintenance": [
        ("members.0.maintenance", "cordon"),
        ("members.0.maintenance", {"mode": "drain", "reason": "new kernel"}),
    ],
    "OwnComponent": [
        ("workloads.0.components", ["announcement"]),
        ("workloads.0.components", [{"use": "announcement"}]),
        ("workloads.0.components", ["announcement", {"use": "other", "args": {"text": "hello", "times": 3}}]),
    ],
    "OwnSource": [
        ("workloads.0", {**OWN_SOURCE, "source": "jsonnet"}),
        ("workloads.0", {**OWN_SOURCE, "source": {"use": "jsonnet", "args": {"file": "web.jsonnet"}}}),
    ],
    "Readiness": [
        ("workloads.0.ready", {"Deployment": "healthy"}),
        ("workloads.0.ready", {"Deployment": {"jsonPath": "{.status.replicas}", "value": 2}}),
    ],
    "Suspension": [
        ("workloads.0.suspend", True),
        ("workloads.0.suspend", ["member1"]),
    ],
    "Workload": [
        ("workloads.0.rollout", {"waves": [WAVE]}),
        ("workloads.0.rollout", False),
        ("workloads.0.rollout", {"waves": [{**WAVE, "approve": "before", "maxConcurrent": 1}]}),
        ("workloads.0.rollout", {"waves": [{**WAVE, "approve": ["before", "after"], "maxConcurrent": "50%"}]}),
        ("workloads.0.rollout", {"waves": [WAVE], "gate": {"healthyFor": "60s", "maxUnavailable": "25%"}}),
        ("workloads.0.rollout", {"waves": [WAVE], "gate": {"healthyFor": 0.5, "maxUnavailable": 1}}),
        ("workloads.0.rollout", {"waves": [WAVE], "gate": {"checks": [{"command": ["true"], "timeout": 5}]}}),
    ],
}
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web"}}
REFUSED = [
    ("workloads.0.source", ["jsonnet"]),
    ("workloads.0.components", [3]),
    ("workloads.0.components", [{"use": "announcement", "with": {}}]),
    ("workloads.0.components", "announcement"),
    ("members.0.maintenance", "away"),
    ("workloads.0.suspend", 3),
    ("workloads.0.ready", {"Deployment": "soon"}),
    ("workloads.0.rollout", True),
    ("workloads.0.rollout", {"waves": [{**WAVE, "approve": "sometimes"}]}),
]
OWN = """
[project.entry-points."flotilla.components"]
announcement = "components.announcement:Announcement"
other = "components.other:Other"
[project.entry-points."flotilla.sources"]
jsonnet = "jsonnet_of_tests:jsonnet"
"""


def put(sections, path, value):
    *steps, last = path.split(".")
    section = sections
    for step in steps:
        section = section[int(step) if step.isdigit() else step]
    section[int(last) if last.isdigit() else last] = value


@pytest.fixture(scope="module")
def schema():
    return jsonschema.Draft202012Validator(stack_file_schema())


def document(sections):
    return {"config": {f"flotilla:{key}": value for key, value in sections.items()}}


@pytest.mark.parametrize(("path", "value"), [form for forms in FORMS.values() for form in forms], ids=str)
def test_the_schema_accepts_every_form_that_the_models_accept(sections, project, schema, path, value):
    """Regression: editors marked `components: [name]` as wrong, which the guide uses."""
    (project / "pyproject.toml").write_text(OWN)
    (project / "jsonnet_of_tests.py").write_text("def jsonnet(asked):\n    return [" + str(CONFIG) + "]\n")
    put(sections, path, value)
    sections["controlPlane"]["version"] = "1.18.2"
    parse_fleet(sections, base=project)
    schema.validate(document(sections))


@pytest.mark.parametrize(("path", "value"), REFUSED, ids=str)
def test_the_schema_refuses_what_the_models_refuse(sections, project, schema, path, value):
    put(sections, path, value)
    with pytest.raises(ConfigError):
        parse_fleet(sections, base=project)
    assert not schema.is_valid(document(sections))


def models_in(model, found):
    """Return a model and all models of its fields."""
    if model in found:
        return found
    found.add(model)
    for field in model.model_fields.values():
        waiting = [field.annotation]
        while waiting:
            one = waiting.pop()
            if isinstance(one, type) and issubclass(one, BaseModel):
                models_in(one, found)
            waiting += getattr(one, "__args__", ())
    return found


def test_every_model_with_a_short_form_is_among_the_examples():
    def reads_before(model):
        listed = model.__pydantic_decorators__.model_validators.values()
        return any(one.info.mode == "before" for one in listed)

    assert {model.__name__ for model in models_in(Fleet, set()) if reads_before(model)} == set(FORMS)


@pytest.mark.parametrize("file", sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml")), ids=lambda file: file.stem)
def test_the_schema_accepts_the_stack_files_of_the_repository(schema, file):
    schema.validate(yaml.safe_load(file.read_text()))
