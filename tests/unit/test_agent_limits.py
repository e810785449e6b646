"""Limits of an agent's proposal: the files it may name, its content and its cost. A read-only agent changes nothing."""

import json
import os
import shutil
import time
from contextlib import suppress

import pytest
import yaml

from flotilla.agent import Toolbox, Workplace, reading
from flotilla.agent.tool import Answer, Arguments, Refused, Tool
from flotilla.deploy.interface import EngineName
from flotilla.errors import FlotillaError
from flotilla.stack.workloads import Workload
from flotilla.workloads.sources.renderings import Renderings
from tests.contract.fleet import copy_program
from tests.renderers import Programs, write_chart

SECRET = "open-sesame-42"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "web", "image": "nginx"}]}}},
}


@pytest.fixture
def place(project, sections, tmp_path, monkeypatch):
    """A project with a stack, a file outside of the project that no agent may read, and a read-only toolbox."""
    for key in ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE"):
        monkeypatch.delenv(key, raising=False)
    folder = tmp_path / "fleet"
    folder.mkdir()
    copy_program(folder)
    shutil.copy(project / "kube.yaml", folder / "kube.yaml")
    (folder / "web.yaml").write_text(yaml.safe_dump(DEPLOYMENT))
    (tmp_path / "secret.yaml").write_text(
        yaml.safe_dump({**DEPLOYMENT, "spec": {"password": SECRET}, "metadata": {"name": SECRET}})
    )
    (folder / "link.yaml").symlink_to(tmp_path / "secret.yaml")
    (folder / "hidden").symlink_to(tmp_path)
    (folder / ".flotilla").mkdir()
    (folder / ".flotilla" / "passphrase").write_text(SECRET)
    write(folder, sections)
    return folder


def write(folder, sections):
    (folder / "stacks" / "Pulumi.dev.yaml").write_text(text_of(sections))


def text_of(sections):
    return yaml.safe_dump({"config": {f"flotilla:{key}": value for key, value in sections.items()}})


def toolbox(place, *, allow_changes=False):
    return Toolbox(Workplace(place, "dev", EngineName.EMBEDDED, allow_changes=allow_changes))


def validated(place, sections):
    text = sections if isinstance(sections, str) else text_of(sections)
    return toolbox(place).call("validate_stack", {"text": text})


def with_manifest(sections, *names, **more):
    workload = {"name": "web", "manifests": list(names), "placement": {"clusters": ["member1"]}, **more}
    return {**sections, "workloads": [workload]}


def test_proposal_with_files_of_the_project_is_checked_completely(place, sections):
    assert validated(place, with_manifest(sections, "web.yaml")) == {
        "valid": True,
        "problems": [],
        "members": ["member1", "member2"],
        "workloads": ["web"],
    }
    patch = {"op": "replace", "path": "/spec/nothing", "value": 1}
    found = validated(
        place, with_manifest(sections, "web.yaml", overrides=[{"clusters": ["member1"], "patches": [patch]}])
    )
    assert "replace /spec/nothing: the object has no such field" in found["problems"][0]


@pytest.mark.parametrize(
    "name",
    [
        "../secret.yaml", "../no-such-file.yaml", "link.yaml", "hidden/secret.yaml", "hidden/no-such-file",
        "~/.ssh/id_rsa", "/etc/passwd", "/no/such/file", "/dev/zero", "/proc/self/environ", ".flotilla/passphrase",
        "stacks/../../secret.yaml",
        "pipe",
        "hidden", "hidden/", "hidden/*.yaml", "hidden/**", "..", "../*.yaml", "~/*", "/etc/*", "/etc", ".flotilla",
        ".flotilla/*", "*/../../secret.yaml", "linking", "linking/*", "linking/**/*.yaml", "lin*/link.yaml",
    ],
)  # fmt: skip
def test_proposal_can_name_only_files_of_the_project_and_reveals_no_others(place, sections, name):
    os.mkfifo(place / "pipe")
    (place / "linking").mkdir()
    (place / "linking" / "link.yaml").symlink_to(place.parent / "secret.yaml")
    patch = {"op": "remove", "path": "/spec/password/x"}
    asked = with_manifest(sections, name, overrides=[{"clusters": ["member1"], "patches": [patch]}])
    found = validated(place, asked)
    assert not found["valid"]
    assert len(found["problems"]) == 1
    assert "is not a file of the project's folder that a proposal may name" in found["problems"][0]
    said = json.dumps(found)
    for reported in (SECRET, "secret.yaml", "no such file", "No such file", "can't be read", "exist"):
        assert reported not in said, "whether a file is there, and what is in it, is not said"


@pytest.mark.parametrize("name", ["apps", "apps/*.yaml", "**/*.yml", "ap?s/**"])
def test_folders_and_patterns_of_the_project_can_be_proposed(place, sections, name):
    (place / "apps" / "below").mkdir(parents=True)
    (place / "apps" / "web.yaml").write_text(yaml.safe_dump(DEPLOYMENT))
    (place / "apps" / "below" / "other.yml").write_text(yaml.safe_dump({**DEPLOYMENT, "metadata": {"name": "other"}}))
    assert validated(place, with_manifest(sections, name))["valid"]
    (place / "apps" / "web.yaml").write_text(f"a: [{SECRET}\n")
    (place / "apps" / "below" / "other.yml").write_text(f"a: [{SECRET}\n")
    for problem in validated(place, with_manifest(sections, name))["problems"]:
        assert "is not YAML as Kubernetes reads it" in problem
        assert ".y" in problem.partition(" — ")[0], "it names the file"
        assert SECRET not in problem


def test_pattern_through_a_linked_folder_finds_no_file(place, sections):
    """`hidden` links to a folder outside of the project."""
    found = validated(place, with_manifest(sections, "h*/secret.yaml"))
    assert "matches no .yaml, .yml or .json file" in found["problems"][0]
    assert SECRET not in json.dumps(found)


def test_folder_is_bounded_like_a_file(place, sections, monkeypatch):
    (place / "apps").mkdir()
    for number in range(5):
        metadata = {"name": f"web-{number}", "annotations": {"text": "x" * 1000}}
        (place / "apps" / f"{number}.yaml").write_text(yaml.safe_dump({**DEPLOYMENT, "metadata": metadata}))
    monkeypatch.setattr(reading, "MOST_RENDERED", 5000)
    assert "too many or too large" in validated(place, with_manifest(sections, "apps"))["problems"][0]


@pytest.mark.parametrize("name", ["../secret.yaml", "link.yaml", "/etc/passwd", ".flotilla/passphrase", "pipe"])
def test_control_plane_objects_can_name_only_files_of_the_project(place, sections, name):
    os.mkfifo(place / "pipe")
    found = validated(place, {**sections, "objects": [{"name": "own", "manifests": [name]}]})
    (problem,) = found["problems"]
    assert problem.startswith("objects[0].manifests[0]: is not a file of the project's folder")
    assert SECRET not in problem


def test_control_plane_objects_are_checked_completely_and_within_limits(place, sections, monkeypatch):
    asked = {**sections, "objects": [{"name": "own", "manifests": ["web.yaml"]}]}
    (problem,) = validated(place, asked)["problems"]
    assert "Deployment web is listed among the objects of the control plane" in problem
    monkeypatch.setattr(reading, "MOST_BYTES", 10)
    (problem,) = validated(place, asked)["problems"]
    assert problem.startswith('objects[0].manifests[0]: "web.yaml" — has more than 10 bytes')


@pytest.mark.parametrize(
    "name", ["../kube.yaml", "~/.kube/config", "/etc/kubernetes/admin.conf", "link.yaml", "/dev/zero"]
)
def test_proposal_reads_no_kubeconfig_and_lists_no_contexts(place, sections, name):
    sections["members"][0]["kubeconfig"] = {"path": name, "context": "nobody"}
    found = validated(place, sections)
    assert len(found["problems"]) == 1
    assert "members[0].kubeconfig: is not a file of the project's folder" in found["problems"][0]
    sections["members"][0]["kubeconfig"] = {"path": "kube.yaml", "context": "nobody"}
    assert validated(place, sections)["valid"], "contexts are not looked up for a proposal"


def test_files_that_the_stack_file_already_names_are_allowed(place, sections):
    sections["members"][0]["kubeconfig"] = "../kube.yaml"
    write(place, sections)
    assert validated(place, sections)["valid"]
    found = validated(place, with_manifest(sections, "../kube.yaml"))
    assert not found["valid"], "a kubeconfig of the stack is not a manifest for an agent"


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", ""])
def test_other_stacks_are_listed_without_their_paths(place, sections, name):
    found = validated(place, {**sections, "membersFrom": name})
    assert "must be a stack's name" in found["problems"][0]


def billion_laughs(levels=30):
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels))]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        (billion_laughs(), "too large"),
        ("a: &a [*a]", "is not YAML"),
        ("[" * 5000, "too large"),
        ("---\n" * 5001, "too large"),
        ("a: [" + SECRET + "\n", "is not YAML"),
        ("config: 2026-01-01", "must be a mapping"),
        ("config: [1]", "must be a mapping"),
        ("config: {}\n---\nconfig: {}", "must be a mapping"),
        ("\0", "is not YAML"),
    ],
)
def test_text_beyond_the_limits_is_refused_at_once(place, text, reported):
    began = time.process_time()
    found = validated(place, text)
    assert reported in found["problems"][0]
    assert SECRET not in found["problems"][0]
    assert time.process_time() - began < 10, "CPU time: a busy machine takes longer"


def test_manifests_are_bounded(place, sections, monkeypatch):
    (place / "laughs.yaml").write_text(billion_laughs())
    (place / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (place / "broken.yaml").write_text(f"a: [{SECRET}\n")
    for name, reported in (("laughs.yaml", "too large"), ("binary.yaml", "not UTF-8"), ("broken.yaml", "not YAML")):
        found = validated(place, with_manifest(sections, name))
        assert reported in found["problems"][0]
        assert SECRET not in found["problems"][0]
    monkeypatch.setattr(reading, "MOST_BYTES", 100)
    assert "more than 100 bytes" in validated(place, with_manifest(sections, "web.yaml"))["problems"][0]
    monkeypatch.undo()
    monkeypatch.setattr(reading, "MOST_RENDERED", 100)
    assert "too many or too large" in validated(place, with_manifest(sections, "web.yaml"))["problems"][0]


def test_replicas_beyond_any_cluster_are_refused_and_a_million_replicas_are_fast(place, sections):
    sections["workloads"][0] |= {"replicas": 10**9}
    assert "150000" in validated(place, sections)["problems"][0]
    manifest = {**DEPLOYMENT, "spec": {**DEPLOYMENT["spec"], "replicas": 10**9}}
    (place / "many.yaml").write_text(yaml.safe_dump(manifest))
    began = time.monotonic()
    placement = {"clusters": ["member1", "member2"], "replicas": "divided"}
    assert validated(place, with_manifest(sections, "many.yaml", placement=placement))["valid"]
    assert time.monotonic() - began < 10


def test_proposal_that_validate_refuses_is_refused(place, sections):
    """Two workloads list the same object; only a check of all manifests together finds it."""
    both = with_manifest(sections, "web.yaml")["workloads"] + [
        {**with_manifest(sections, "web.yaml")["workloads"][0], "name": "other"}
    ]
    found = validated(place, {**sections, "workloads": both})
    assert not found["valid"]
    assert "web" in found["problems"][0]


def test_manifests_are_read_as_kubernetes_reads_them(place, sections):
    """A date and a time are strings there."""
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\ndata: {since: 2026-01-01, at: 22:30}\n"
    (place / "dates.yaml").write_text(config)
    assert validated(place, with_manifest(sections, "dates.yaml"))["valid"]


def test_many_problems_are_shortened_to_fit_an_answer(place, sections):
    sections["workloads"] = [{"name": f"w{n}", "placement": {}} for n in range(2000)]
    found = validated(place, sections)
    assert found["problems"][-1] == "and 1960 more problems"


class Nothing(Arguments):
    pass


def tool(run, **more):
    return Tool("slow", "", "", Nothing, Answer, run, **more)


def test_call_without_changes_ends_within_its_time(place):
    box = toolbox(place)
    box.tools["slow"] = tool(lambda _: time.sleep(30), seconds=0.2)
    began = time.monotonic()
    with pytest.raises(FlotillaError, match="took more than 0 s"):
        box.call("slow", {})
    assert time.monotonic() - began < 10


def test_unexpected_error_reveals_none_of_its_text_to_the_agent(place, capsys):
    def run(_):
        raise ValueError(SECRET)

    box = toolbox(place)
    box.tools["slow"] = tool(run)
    with pytest.raises(FlotillaError, match="unexpected ValueError") as caught:
        box.call("slow", {})
    assert SECRET not in str(caught.value)
    assert SECRET in capsys.readouterr().err, "the operator gets the traceback"


def test_arguments_are_bounded_and_problems_are_reported_in_own_words(place):
    box = toolbox(place)
    with pytest.raises(Refused, match="more than 400000 characters"):
        box.call("list_clusters", {"labels": "x" * 500_000})
    with pytest.raises(Refused, match="and 80 more") as caught:
        box.call("list_clusters", {f"k{n}": SECRET for n in range(100)})
    assert SECRET not in str(caught.value)
    with pytest.raises(Refused, match="change: needs 'kind': move, scale or rollback"):
        box.call("preview_change", {"change": {}})


def files_of(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_read_only_tools_write_only_the_audit_log(place, tmp_path):
    """Whatever the agent asks, a read-only toolbox creates no passphrase, state or backup.

    The audit log is the operator's.
    """
    (place / "pipe").unlink(missing_ok=True)
    before = files_of(place)
    box = Toolbox(Workplace(place, "dev", EngineName.EMBEDDED), audit=tmp_path / "audit.jsonl")
    scale = {"kind": "scale", "workload": "nginx", "replicas": 3}
    for name, arguments in (
        ("validate_stack", {}), ("validate_stack", {"text": "config: {}"}), ("preview_change", {}),
        ("preview_change", {"change": scale}), ("check_policies", {}), ("check_drift", {}), ("list_clusters", {}),
        ("apply", {"digest": "x"}),
    ):  # fmt: skip
        with suppress(FlotillaError):
            box.call(name, arguments)
    assert files_of(place) == before


# -- charts and kustomizations ---------------------------------------------------------------------

CHART = {"path": "charts/web", "values": {"replicas": 1}}
CHARTED = yaml.safe_dump({**DEPLOYMENT, "metadata": {"name": "charted"}})


def with_source(sections, **source):
    return {**sections, "workloads": [{"name": "web", "placement": {}, **source}]}


@pytest.fixture
def helm(place, tmp_path, monkeypatch):
    """A fake helm, and a chart in the project that a user has rendered."""
    programs = Programs(tmp_path / "bin", monkeypatch, "helm")
    write_chart(place / "charts" / "web", {"a.yaml": CHARTED}, values="replicas: 0\n")
    workload = Workload.model_validate({"name": "web", "placement": {}, "chart": CHART})
    Renderings(place).of(workload)
    assert programs.of("template")
    programs.calls.clear()
    return programs


def test_proposal_uses_the_stored_rendering_of_a_chart_and_starts_no_program(place, sections, helm):
    assert validated(place, with_source(sections, chart=CHART))["valid"]
    patch = {"op": "replace", "path": "/spec/nothing", "value": 1}
    overrides = [{"clusters": ["member1"], "patches": [patch]}]
    found = validated(place, with_source(sections, chart=CHART, overrides=overrides))
    assert "replace /spec/nothing: the object has no such field" in found["problems"][0], "checked like manifests"
    assert helm.calls == []


@pytest.mark.parametrize(
    "source",
    [
        {"chart": {**CHART, "values": {"replicas": 2}}},
        {"chart": {"path": "charts/other"}},
        {"chart": {"repository": "https://charts.example", "name": "web", "version": "1.2.3"}},
        {"chart": {"oci": "oci://registry.example/web", "version": "1.2.3"}},
        {"kustomize": {"path": "app"}},
    ],
)
def test_proposal_with_a_chart_that_was_never_rendered_is_refused_and_starts_no_program(place, sections, helm, source):
    write_chart(place / "charts" / "other", {"a.yaml": CHARTED})
    (place / "app").mkdir()
    (place / "app" / "kustomization.yaml").write_text("resources: []\n")
    found = validated(place, with_source(sections, **source))
    assert not found["valid"]
    assert "a proposal may not run a program" in found["problems"][0]
    assert "a person has to run `flotilla validate`" in found["problems"][0]
    assert helm.calls == []


@pytest.mark.parametrize("path", ["../charts", "hidden/charts", "/etc", "~/charts", ".flotilla", "no-such/../../x"])
def test_charts_and_kustomizations_of_a_proposal_must_be_in_the_project(place, sections, helm, path):
    for source in (
        {"chart": {"path": path}},
        {"chart": {**CHART, "valuesFiles": [path]}},
        {"kustomize": {"path": path}},
    ):
        found = validated(place, with_source(sections, **source))
        assert len(found["problems"]) == 1
        assert "is not a file of the project's folder that a proposal may name" in found["problems"][0]
    assert helm.calls == []


def test_content_of_a_values_file_is_never_quoted(place, sections, helm):
    (place / "token.yaml").write_text(f"{SECRET}: a: b\n")
    for name in ("token.yaml", "no-such.yaml"):
        found = validated(place, with_source(sections, chart={**CHART, "valuesFiles": [name]}))
        (problem,) = found["problems"]
        assert problem.startswith(
            "workloads[0].chart: was not rendered on this machine before, and a proposal may not run"
        )


def test_rendering_of_a_proposals_chart_is_bounded(place, sections, helm, monkeypatch):
    monkeypatch.setattr("flotilla.agent.reading.MOST_RENDERED", 100)
    found = validated(place, with_source(sections, chart=CHART))
    assert "too large rendered objects for this many members" in found["problems"][0]


@pytest.mark.parametrize("name", ["../secret.yaml", "link.yaml", "/etc/passwd", ".flotilla/passphrase"])
def test_policies_can_name_only_files_of_the_project(place, sections, name):
    workload = {"name": "web", "manifests": ["web.yaml"], "policies": [name]}
    found = validated(place, {**sections, "workloads": [workload]})
    (problem,) = found["problems"]
    assert problem.startswith("workloads[0].policies[0]: is not a file of the project's folder")
    assert SECRET not in json.dumps(found)
