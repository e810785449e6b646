"""Wrong stack files, project files and manifests give one line each, the same in `validate` and in the program."""

import json

import pytest
import yaml

from flotilla.cli.exit_codes import ExitCode
from flotilla.cli.main import main
from flotilla.errors import FlotillaError
from flotilla.stack import ConfigError, load_stack_file, parse_fleet
from flotilla.stack.declare import fleet_of_config
from flotilla.state.config import Project, StackConfig
from flotilla.state.crypto import PassphraseCrypter
from flotilla.workloads.manifests import ManifestError, parse_manifests

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
JOB = "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: once-}\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: a\n    image: b\n"

MANIFESTS = [
    ("metadata: text\napiVersion: v1\nkind: ConfigMap\n", 'metadata is a text ("text"), line 1: it must be a mapping'),
    ("apiVersion: v1\nkind: List\nitems: 5\n", "items is a number (5), line 3: it must be a list of objects"),
    ("apiVersion: v1\nkind: 5\nmetadata: {name: a}\n", "kind is a number (5), line 2: quote it"),
    ("apiVersion: 1\nkind: ConfigMap\nmetadata: {name: a}\n", "apiVersion is a number (1), line 1: quote it"),
    ("kind: ConfigMap\nmetadata: {name: a}\n", "a document has no apiVersion, line 1"),
    ("apiVersion: v1\nmetadata: {name: a}\n", "a document has no kind, line 1"),
    ("apiVersion: v1\nkind: ConfigMap\n", "a ConfigMap has no metadata.name, line 1"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 123}\n", "metadata.name is a number (123), line 3: quote it"),
    (JOB, "a Job has generateName and no name, line 3: each run would create another object"),
    ("- a\n", "a document is a list, line 1: it must be an object with apiVersion and kind"),
    ("just a text\n", "a document is a text, line 1"),
    ("# nothing\n---\n", "contains no object"),
    ("apiVersion: v1\nkind: List\nitems: []\n", "contains no object"),
    ("apiVersion: v1\nkind: List\nitems: [5]\n", "items[0] is a number, line 3: it must be an object"),
    (OBJECT + "data: {feature: on}\n", "data.feature is a boolean (true), line 4: quote it"),
    (OBJECT + "data:\n  port: 8080\n", "data.port is a number (8080), line 5: quote it"),
    (OBJECT + "data: [a]\n", "data is a list, line 4: it must be a mapping of texts"),
    (OBJECT + "binaryData: {logo: '%'}\n", "binaryData.logo is not base64, line 4: encode it, or move it to data"),
    (OBJECT.replace("}", ", labels: {tier: 1}}"), "metadata.labels.tier is a number (1), line 3: quote it"),
    (OBJECT.replace("}", ", annotations: {on: no}}"), "metadata.annotations.true is a boolean (false), line 3"),
    (OBJECT.replace("}", ", namespace: 5}"), "metadata.namespace is a number (5), line 3"),
    (POD + "    env:\n    - {name: PORT, value: 80}\n", "spec.containers[0].env[0].value is a number (80), line 9"),
    (POD + "    args: [--port, 80]\n", "spec.containers[0].args[1] is a number (80), line 8"),
    (OBJECT + "data: {a: 1, a: 2}\n", "not valid YAML: line 4, column 14: the key 'a' occurs twice"),
    (OBJECT + "---\n" + OBJECT + "data: {a: no}\n", "data.a is a boolean (false), line 8: quote it"),
]


@pytest.mark.parametrize(("text", "said"), MANIFESTS, ids=[said[:40] for _, said in MANIFESTS])
def test_wrong_manifest_is_one_line_with_field_and_line(text, said):
    with pytest.raises(ManifestError) as caught:
        parse_manifests(text)
    assert len(caught.value.problems) == 1
    assert said in str(caught.value)


def test_every_wrong_field_of_a_manifest_is_reported():
    with pytest.raises(ManifestError) as caught:
        parse_manifests("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: 1}\ndata: {port: 8080, ok: true, 1: x}\n")
    assert [problem.partition(" is ")[0] for problem in caught.value.problems] == [
        "metadata.name",
        "data.port",
        "data.ok",
    ]


def test_values_of_secrets_are_not_printed():
    for field in ("data", "stringData"):
        with pytest.raises(ManifestError) as caught:
            parse_manifests(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\n{field}: {{pin: 271828}}\n")
        assert f"{field}.pin is a number, line 4: quote it" in str(caught.value)
    with pytest.raises(ManifestError) as caught:
        parse_manifests("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: !!binary aGVsbG8=}\n")
    assert str(caught.value) == "data.k is not base64, line 4: encode it, or move it to stringData"


def test_list_manifests_are_expanded_and_nested_lists_are_refused():
    items = "items:\n- metadata: {name: a}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"
    found = parse_manifests(f"apiVersion: v1\nkind: ConfigMapList\n{items}")
    assert [(o["apiVersion"], o["kind"], o["metadata"]["name"]) for o in found] == [
        ("v1", "ConfigMap", "a"),
        ("v1", "ConfigMap", "b"),
    ]
    nested = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: []\n"
    with pytest.raises(ManifestError, match="a List contains a List: a list within a list is not unfolded, line 4"):
        parse_manifests(nested)
    own = "apiVersion: example.org/v1\nkind: AllowList\nmetadata: {name: a}\nspec: {}\n"
    assert parse_manifests(own)[0]["kind"] == "AllowList"


def test_published_yaml_cases_are_read_as_by_kubectl(repository):
    folder = repository.parent / "shared" / "cases" / "06-yaml-dialect" / "yaml"
    if not folder.is_dir():
        pytest.skip("not beside the checkout: shared/cases (YAML)")

    def read(name):
        return parse_manifests((folder / f"{name}.yaml").read_bytes().decode())

    assert read("equal")[0]["data"] == {"op": "="}
    assert read("date")[0]["metadata"]["annotations"] == {"released": "2024-05-01", "at": "2024-05-01T10:00:00Z"}
    assert read("clock")[0]["data"] == {"window": "22:30"}
    assert read("clock-cr")[0]["spec"] == {"alias": "22:30"}
    pod = read("mode")[0]["spec"]["template"]["spec"]
    assert pod["volumes"][0]["secret"]["defaultMode"] == 288
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": 0.1, "memory": 100000000}
    assert [o["data"] for o in read("merge")] == [{"a": "1"}, {"a": "1", "b": "2"}]
    assert [o["kind"] for o in read("kindlist")] == ["ConfigMap", "ConfigMap"]
    assert read("crlf-bom")[0]["data"] == {"s": "one\ntwo\n"}
    assert read("json-in-yaml")[0]["data"] == {"k": "v"}
    assert read("binarydata")[0]["binaryData"] == {"logo": "iVBORw0KGgo="}
    for name in ("twice", "nested", "generate", "comments", "numbers", "onoff", "binary"):
        with pytest.raises(ManifestError):
            read(name)


@pytest.fixture
def folder(project, repository):
    """A project with its two files, which tests can break."""
    (project / "Pulumi.yaml").write_text((repository / "Pulumi.yaml").read_text())
    (project / "stacks").mkdir()
    (project / "stacks" / "Pulumi.dev.yaml").write_text("config: {}\n")
    return project


VERBS = (["validate"], ["preview"], ["up", "--yes"], ["refresh"], ["destroy", "--yes"])
FILES = [
    ("stacks/Pulumi.dev.yaml", b"config:\n  - a\n", "line 1: `config` must be a mapping"),
    ("stacks/Pulumi.dev.yaml", b"config:\n  flotilla:members: \xff\n", "line 2 is not UTF-8"),
    ("stacks/Pulumi.dev.yaml", b"config: {a: [\n", "not valid YAML"),
    ("stacks/Pulumi.dev.yaml", b"config: {}\n---\nconfig: {}\n", "line 2, column 1: not valid YAML: a second document"),
    ("stacks/Pulumi.dev.yaml", b"- a\n", "not a stack file: it must be a mapping"),
    ("stacks/Pulumi.dev.yaml", b"config:\n  members: []\n", "line 2: the key 'members' has no project"),
    ("stacks/Pulumi.dev.yaml", b"encryptionsalt: 5\n", "line 1: `encryptionsalt` must be a text"),
    ("Pulumi.yaml", b"", "not a project file"),
    ("Pulumi.yaml", b"- a\n", "not a project file"),
    ("Pulumi.yaml", b"runtime: python\n", "`name` must be a text"),
    ("Pulumi.yaml", b"name: 5\n", "`name` must be a text"),
    ("Pulumi.yaml", b"name: [\n", "not valid YAML: line 2"),
    ("Pulumi.yaml", b"name: a\nstackConfigDir: 5\n", "`stackConfigDir` must be a text"),
    ("Pulumi.yaml", b"\xff", "line 1 is not UTF-8"),
]


@pytest.mark.parametrize(("name", "content", "said"), FILES, ids=[f"{said[:40]}" for *_, said in FILES])
def test_broken_file_is_one_line_in_every_verb(folder, name, content, said, capsys, monkeypatch):
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "unit")
    (folder / name).write_bytes(content)
    for verb in VERBS:
        code = main(
            [*verb, "-C", str(folder), "-s", "dev", *(["--engine", "embedded"] if verb[0] != "validate" else [])]
        )
        assert code in (ExitCode.FAILED, ExitCode.USAGE)
        text = capsys.readouterr().err
        assert said in text, verb
        assert "Traceback" not in text
    assert not list(folder.glob(".flotilla/state/**/dev.json"))


def test_manifest_that_is_a_device_is_refused_and_not_read(sections, project):
    sections["workloads"] = [{"name": "a", "manifests": ["/dev/zero"], "placement": {"clusters": ["member1"]}}]
    with pytest.raises(ConfigError, match="it is a device, and only regular files are"):
        parse_fleet(sections, base=project)


PLAIN = [
    ("members.0.labels", "{released: 2024-05-01}", True),
    ("members.0.labels", "{port: 8080}", False),
    ("members.0.provider", "12:30:45", False),  # a valid text, but no valid label value
    ("members.0.region", "22", False),
    ("members.0.zones", "[2024-05-01]", True),
    ("workloads.0.env", "{WHEN: 2024-05-01T10:00:00Z, AT: 12:30:45}", True),
    ("workloads.0.env", "{PORT: 8080}", False),
    ("workloads.0.replicas", "0o2", True),
    ("workloads.0.replicas", "1e1", True),
    ("workloads.0.replicas", "1.5", False),
    ("membersFrom", "5", False),
    ("membersFrom", "../dev", False),
    ("members", "'[]'", False),  # the placement then chooses no member
    ("clusters", "", True),
]


@pytest.mark.parametrize(("key", "value", "valid"), PLAIN, ids=[f"{key}={value}" for key, value, _ in PLAIN])
def test_validate_and_the_program_give_the_same_result(folder, sections, monkeypatch, key, value, valid):
    """The program reads the configuration from the engine, `validate` reads the stack file."""
    marked = json.loads(json.dumps(sections))
    *steps, last = [int(s) if s.isdigit() else s for s in key.split(".")]
    holder = marked
    for step in steps:
        holder = holder[step]
    holder[last] = "<here>"
    text = yaml.safe_dump({"config": {f"flotilla:{name}": entry for name, entry in marked.items()}})
    file = folder / "stacks" / "Pulumi.dev.yaml"
    file.write_text(text.replace("<here>", value))

    def outcome(read):
        try:
            return read().model_dump(mode="json")
        except ConfigError as error:
            return [str(problem) for problem in error.problems]

    validated = outcome(lambda: load_stack_file(file, base=folder))
    texts, _ = StackConfig.load(Project.load(folder), "dev").decrypted(PassphraseCrypter("unit"))
    ran = outcome(lambda: fleet_of_config(texts, folder))
    assert isinstance(validated, list) is not valid
    if key != "membersFrom":  # Pulumi passes every plain value as a text; only the file has its type
        assert ran == validated


@pytest.mark.parametrize("name", ["karmada", "karmada-host"])
def test_a_member_named_like_the_control_plane_is_refused(sections, project, name):
    sections["members"][0]["name"] = name
    with pytest.raises(ConfigError, match=r"members\[0\]\.name: .* is reserved for the control plane"):
        parse_fleet(sections, base=project)


def test_members_with_the_same_resource_names_are_refused(sections, project):
    sections["members"][1]["name"] = "member1-impersonator"
    sections["workloads"][0]["placement"]["clusters"] = ["member1"]
    with pytest.raises(ConfigError, match="is the name of resources of member 'member1'"):
        parse_fleet(sections, base=project)


def test_objects_with_the_same_name_in_the_state_are_refused(sections, project):
    for file, name in (("one", "x-service-z"), ("two", "z")):
        (project / f"{file}.yaml").write_text(f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n")
    placement = {"clusters": ["member1"]}
    sections["workloads"] = [
        {"name": "web", "manifests": ["one.yaml"], "placement": placement},
        {"name": "web-service-x", "manifests": ["two.yaml"], "placement": placement},
    ]
    with pytest.raises(ConfigError, match="would be called web-service-x-service-z in the state"):
        parse_fleet(sections, base=project)


def test_member_of_another_stack_cannot_be_declared_again(folder, sections):
    other = {"config": {f"flotilla:{key}": sections[key] for key in ("controlPlane", "members")}}
    (folder / "stacks" / "Pulumi.members.yaml").write_text(yaml.safe_dump(other))
    sections["membersFrom"] = "members"
    with pytest.raises(ConfigError, match=r"members\[0\]\.name: .* is a member of stack members too"):
        parse_fleet(sections, base=folder)


def test_disable_default_providers_that_is_no_list_is_one_line(folder):
    file = folder / "stacks" / "Pulumi.dev.yaml"
    for value in ("5", "'{'", "{a: b}"):
        file.write_text(f"config:\n  pulumi:disable-default-providers: {value}\n")
        with pytest.raises(FlotillaError, match="must be a list of packages' names"):
            _ = StackConfig.load(Project.load(folder), "dev").disabled_defaults
