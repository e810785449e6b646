"""Charts as a source of a workload: what helm is asked for, what is kept of it, and what is refused, in one line."""

import json
import os
import re
import stat

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.stack import ConfigError, parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.stack.sources import WorkloadChart
from flotilla.stack.workloads import Workload
from flotilla.workloads.notices import rendered_notices
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.sources import cache, programs
from tests.conftest import REPOSITORY
from tests.renderers import DEPLOYMENT, Programs, write_chart

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: "{{ .Release.Name }}-web"}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
VALUES = "replicas: 1\ntag: '1.27'\n"
AT = {"repository": "https://charts.example", "name": "web", "version": "1.2.3"}


@pytest.fixture
def helm(tmp_path, monkeypatch):
    return Programs(tmp_path / "bin", monkeypatch, "helm")


@pytest.fixture
def place(project):
    """A project with a chart in it."""
    write_chart(
        project / "charts" / "web", {"a.yaml": DEPLOYMENT, "b.yaml": SERVICE}, values=VALUES, crds={"c.yaml": CRD}
    )
    return project


@pytest.fixture
def declared(place, sections, helm):
    """Return what a chart declares, and the notices, as one run of the program reads them."""

    def read(chart=None, **more):
        given = {"path": "charts/web", **(chart or {})} if not (chart or {}).get("oci") else chart
        if "repository" in given:
            del given["path"]
        sections["workloads"] = [{"name": "shop", "placement": {}, "chart": given, **more}]
        files = ManifestFiles(place)
        fleet = parse_fleet(sections, base=place, manifests=files)
        return manifests_of(fleet.workloads[0], files), rendered_notices(fleet, files)

    return read


def refused(declared, *arguments, **more):
    with pytest.raises(ConfigError) as caught:
        declared(*arguments, **more)
    return [str(problem) for problem in caught.value.problems]


def names(objects):
    return [f"{one['kind']} {one['metadata']['name']}" for one in objects]


def test_a_chart_in_the_project_is_declared_as_its_objects(declared, helm, place):
    objects, notices = declared({"values": {"replicas": 3}}, namespace="web")
    assert names(objects) == ["CustomResourceDefinition things.example.org", "Deployment shop-web", "Service shop-web"]
    assert objects[1]["spec"]["replicas"] == 3
    assert notices == []
    (call, again) = helm.of("template")
    assert call.arguments[:3] == ["template", "shop", str(place / "charts" / "web")]
    assert [a for a in call.arguments if not a.startswith("--values=")][3:] == ["--namespace=web", "--include-crds"]
    assert again.arguments[:3] == call.arguments[:3], "rendered twice, to find what is random"
    assert len(helm.calls) == 3, "one run of the program asks for the version, and renders twice; no more"


def test_values_files_come_over_the_charts_and_inline_values_over_them(declared, place):
    (place / "one.yaml").write_text("replicas: 2\ntag: a\n")
    (place / "two,b.yaml").write_text("tag: b\n")
    objects, _ = declared({"valuesFiles": ["one.yaml", "two,b.yaml"]})
    assert (objects[1]["spec"]["replicas"], image(objects[1])) == (2, "nginx:b")
    objects, _ = declared({"valuesFiles": ["one.yaml", "two,b.yaml"], "values": {"tag": "c"}})
    assert (objects[1]["spec"]["replicas"], image(objects[1])) == (2, "nginx:c")


def image(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_release_capabilities_and_definitions_are_as_the_stack_file_says(declared, helm):
    objects, _ = declared(
        {"release": "old", "includeCRDs": False, "kubeVersion": "1.31", "apiVersions": ["a.example/v1", "b/v1/B"]}
    )
    assert names(objects) == ["Deployment old-web", "Service old-web"]
    call = helm.of("template")[0].arguments
    assert call[1] == "old"
    assert {"--kube-version=1.31", "--api-versions=a.example/v1", "--api-versions=b/v1/B"} <= set(call)
    assert "--include-crds" not in call


def test_a_renamed_workload_keeps_its_release(declared):
    objects, _ = declared(formerly="store")
    assert names(objects)[1:] == ["Deployment store-web", "Service store-web"]


def test_unchanged_inputs_start_no_program_and_need_none(declared, helm, place):
    first = declared({"values": {"replicas": 3}})
    helm.calls.clear()
    assert declared({"values": {"replicas": 3}}) == first
    assert helm.calls == []
    helm.remove("helm")
    assert declared({"values": {"replicas": 3}}) == first, "what was rendered is there without helm"


@pytest.mark.parametrize("what", ["value", "values file", "template", "release", "namespace", "capability", "helm"])
def test_every_input_counts(declared, helm, place, what):
    (place / "more.yaml").write_text("tag: a\n")
    chart = {"valuesFiles": ["more.yaml"], "values": {"replicas": 3}}
    declared(chart)
    helm.calls.clear()
    more = {}
    match what:
        case "value":
            chart["values"] = {"replicas": 4}
        case "values file":
            (place / "more.yaml").write_text("tag: b\n")
        case "template":
            (place / "charts" / "web" / "templates" / "b.yaml").unlink()
        case "release":
            chart["release"] = "other"
        case "namespace":
            more["namespace"] = "other"
        case "capability":
            chart["apiVersions"] = ["a.example/v1"]
        case "helm":
            helm.version = "v3.99.0"
            os.utime(helm.folder / "helm", (1, 1))
    declared(chart, **more)
    assert len(helm.of("template")) == 2


def test_another_file_of_the_same_helm_renders_nothing_again(declared, helm):
    declared()
    helm.calls.clear()
    os.utime(helm.folder / "helm", (1, 1))
    declared()
    declared()
    assert [call.arguments[0] for call in helm.calls] == ["version"]


def test_one_changed_value_changes_exactly_the_objects_that_it_is_in(declared):
    before, _ = declared()
    after, _ = declared({"values": {"tag": "1.28"}})
    changed = [name for name, one, other in zip(names(before), before, after, strict=True) if one != other]
    assert changed == ["Deployment shop-web"]
    assert image(after[1]) == "nginx:1.28"


# -- charts that are elsewhere ---------------------------------------------------------------------


def test_a_chart_of_a_repository_is_pulled_once(declared, helm, place):
    (helm.folder / "repository").mkdir()
    (place / "charts" / "web").rename(helm.folder / "repository" / "web")
    objects, _ = declared(dict(AT))
    assert names(objects)[1] == "Deployment shop-web"
    (pull,) = helm.of("pull")
    assert pull.arguments[1:3] == ["web", "--version=1.2.3"]
    assert "--repo=https://charts.example" in pull.arguments
    helm.offline = True
    objects, _ = declared({**AT, "values": {"replicas": 5}})
    assert objects[1]["spec"]["replicas"] == 5, "other values need no network"
    assert len(helm.of("pull")) == 1


def test_an_oci_reference_is_pulled_as_such(declared, helm, place):
    (helm.folder / "repository").mkdir()
    (place / "charts" / "web").rename(helm.folder / "repository" / "web")
    declared({"oci": "oci://registry.example/charts/web", "version": "1.2.3"})
    (pull,) = helm.of("pull")
    assert pull.arguments[1:3] == ["oci://registry.example/charts/web", "--version=1.2.3"]
    assert not any(argument.startswith("--repo") for argument in pull.arguments)


def test_a_repository_out_of_reach_is_one_line_that_says_how_to_do_without(declared, helm):
    helm.offline = True
    (line,) = refused(declared, dict(AT))
    assert line.startswith("workloads[0].chart: helm pull: looks like ")
    assert "keep it in the project (`helm pull`) and give its `path`" in line


@pytest.mark.parametrize(
    ("chart", "wanted"),
    [
        ({"values": {}}, "needs one of 'repository', 'oci' and 'path'"),
        ({"path": "a", "oci": "oci://b/c", "version": "1.0.0"}, "at most one of 'repository', 'path' and 'oci'"),
        ({"oci": "registry.example/web", "version": "1.0.0"}, "write oci://registry.example/web"),
        ({"repository": "https://charts.example", "version": "1.0.0"}, "needs 'name' and 'repository' together"),
        ({"path": "charts/web", "name": "web"}, "drop 'name'"),
        ({"repository": "https://charts.example", "name": "web"}, "needs 'version', exactly"),
        ({**AT, "version": "^1.2.0"}, "needs 'version', exactly"),
        ({**AT, "version": "1.x"}, "needs 'version', exactly"),
        ({**AT, "name": "--post-renderer=x"}, "must be a chart's name"),
        ({**AT, "repository": "charts.example"}, "write https://..."),
        ({**AT, "repository": "https://me:hunter2@charts.example"}, "has a user name or password in its URL"),
        ({"oci": "oci://me:hunter2@r.example/web", "version": "1.0.0"}, "has a user name or password in its URL"),
        ({"path": "charts/web", "version": "1.0.0"}, "has 'version' with 'path'"),
        ({"path": "charts/web", "release": "Shop"}, "must be a release's name"),
        ({"path": "charts/web", "release": "a" * 54}, "must be a release's name"),
        ({"path": "charts/web", "kubeVersion": "new"}, "must be a version of Kubernetes"),
        ({"path": "charts/web", "apiVersions": ["--x=,y"]}, "must be a version of an API"),
        ({"path": "charts/web", "hooks": "run"}, "skip"),
        ({"path": "charts/web", "valueFiles": ["a"]}, "did you mean 'valuesFiles'?"),
        ({"path": "charts/nothing"}, "is no chart"),
        ({"path": "kube.yaml/x"}, "is no chart"),
    ],
)
def test_what_a_chart_cannot_be_is_refused(place, sections, helm, chart, wanted):
    sections["workloads"] = [{"name": "shop", "placement": {}, "chart": chart}]
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections, base=place)
    assert wanted in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert helm.calls == []


def test_the_short_forms_keys_and_a_second_source_are_refused(place, sections, helm):
    chart = {"chart": {"path": "charts/web"}, "placement": {}, "name": "shop"}
    for more, wanted in (
        ({"replicas": 2}, "has 'chart' and the short form's 'replicas'"),
        ({"image": "nginx"}, "exactly one of 'image', 'manifests', 'chart' and 'kustomize'"),
        ({"manifests": ["a.yaml"]}, "exactly one of"),
        ({"kustomize": {"path": "a"}}, "exactly one of"),
        ({"name": "s" * 60}, "add `release` to the chart"),
    ):
        with pytest.raises(ConfigError, match=wanted):
            parse_fleet({**sections, "workloads": [{**chart, **more}]}, base=place)


# -- hooks -----------------------------------------------------------------------------------------

HOOKS = "\n---\n".join(
    f"""
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations:
    helm.sh/hook: {events}
    helm.sh/hook-weight: "1"
    helm.sh/hook-delete-policy: hook-succeeded
    kept: "yes"
spec: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: "a:1"}}]}}}}}}
"""
    for name, events in (("migrate", "pre-install,pre-upgrade"), ("clean", "post-delete"), ("try", "test"))
)
DEFINED_BY_HOOK = CRD.replace(
    "{name: things.example.org}", "{name: things.example.org, annotations: {helm.sh/hook: crd-install}}"
)


@pytest.fixture
def hooks(place):
    (place / "charts" / "web" / "templates" / "hooks.yaml").write_text(HOOKS)


def test_hooks_are_refused_by_name_until_the_stack_file_says_what_becomes_of_them(declared, hooks):
    (line,) = refused(declared)
    assert "workloads[0].chart.hooks: the chart has hooks: Job migrate (pre-install, pre-upgrade), Job clean" in line
    assert "add `hooks: include`" in line
    assert "try" not in line.partition("helm runs")[0], "its tests are no reason to refuse a chart"


def test_hooks_can_be_left_out(declared, hooks):
    objects, notices = declared({"hooks": "skip"})
    assert not any(one["kind"] == "Job" for one in objects)
    left_out = "Job migrate (pre-install, pre-upgrade), Job clean (post-delete)"
    assert notices == [
        "workload shop: the chart's tests are left out: Job try",
        f"workload shop: hooks are left out, and nobody runs them: {left_out}",
    ]


def test_hooks_of_an_installation_can_be_declared_and_those_of_a_deletion_never_are(declared, hooks):
    objects, notices = declared({"hooks": "include"})
    (job,) = [one for one in objects if one["kind"] == "Job"]
    assert job["metadata"] == {"name": "migrate", "namespace": "default", "annotations": {"kept": "yes"}}
    assert "hooks are left out, and nobody runs them: Job clean (post-delete)" in notices[1]
    assert "declared like any other object" in notices[2]


def test_what_becomes_of_hooks_needs_no_new_rendering(declared, hooks, helm):
    refused(declared)
    helm.calls.clear()
    declared({"hooks": "skip"})
    declared({"hooks": "include"})
    assert helm.calls == []


def test_a_definition_by_hook_is_an_object_like_any_other(declared, place):
    (place / "charts" / "web" / "templates" / "crd.yaml").write_text(DEFINED_BY_HOOK)
    objects, _ = declared({"includeCRDs": False})
    assert [one["metadata"] for one in objects if one["kind"] == "CustomResourceDefinition"] == [
        {"name": "things.example.org"}
    ]


def test_what_only_helm_would_keep_is_named(declared, place):
    text = SERVICE.replace('web"}', 'web", annotations: {helm.sh/resource-policy: keep}}')
    (place / "charts" / "web" / "templates" / "b.yaml").write_text(text)
    _, notices = declared()
    assert notices == [
        "workload shop: only helm obeys `helm.sh/resource-policy: keep`, and a destroy deletes these: Service shop-web"
    ]


# -- what changes at each rendering ----------------------------------------------------------------

RANDOM = """
apiVersion: v1
kind: Secret
metadata: {name: login}
stringData: {user: admin, password: "{{ random }}"}
"""


def test_random_values_stay_what_they_were_and_are_named_without_their_values(declared, place):
    (place / "charts" / "web" / "templates" / "c.yaml").write_text(RANDOM)
    objects, notices = declared()
    password = objects[-1]["stringData"]["password"]
    assert len(password) == 32
    again, said = declared()
    assert again == objects
    assert said == notices
    assert "differs at each rendering (random, or by time) in Secret login: stringData.password:" in notices[0]
    assert password not in notices[0]
    other, _ = declared({"values": {"replicas": 9}})
    assert other[-1]["stringData"]["password"] != password, "another input makes others, as the notice says"


def test_warnings_of_helm_are_shown(declared):
    _, notices = declared({"values": {"warn": "cannot overwrite table with non table for web.x"}})
    assert notices == ["workload shop: helm: warning: cannot overwrite table with non table for web.x"]


# -- what goes wrong -------------------------------------------------------------------------------


def test_charts_that_a_chart_needs_and_lacks_are_named_with_the_command_that_gets_them(declared):
    said = "found in Chart.yaml, but missing in charts/ directory: grafana"
    (line,) = refused(declared, {"values": {"fail": said}})
    assert f"{said}; there would be nothing to run; get the charts that it depends on: `helm dependency build /" in line


def test_without_helm_one_line_says_what_is_missing_and_how_to_do_without(declared, helm):
    helm.remove("helm")
    (line,) = refused(declared)
    assert line == (
        "workloads[0].chart: needs the helm command, which isn't on the PATH; there would be nothing to run; install "
        "Helm 3.13 or newer: helm.sh; or keep what `helm template` prints elsewhere in a file of `manifests`"
    )


def test_a_failing_template_is_one_line_without_secrets(declared):
    values = {
        "fail": "replicas must be 1,\n  and the password hunter2secret is too short",
        "db": {"password": "hunter2secret"},
    }
    (line,) = refused(declared, {"values": values})
    assert line == (
        "workloads[0].chart: helm template: execution error at (web/templates/web.yaml:3:4): replicas must be 1, and "
        "the password [secret] is too short; there would be nothing to run; correct the values"
    )


KLOG = "1126 03:02:03.909599   22955 run.go:72] "


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("coalesce.go:1: warning: x\nError: a\n  b\n\nUse --debug flag to render out invalid YAML\n", "a b"),
        ("first\nthe last line\n", "the last line"),
        (
            f'W{KLOG}old\nE{KLOG}"command failed" err=<\n\ttrouble with `a: b\n\t`: must specify --enable-helm\n >\n',
            "trouble with `a: b `: must specify --enable-helm",
        ),
        (f'E{KLOG}"command failed" err="not a \\"directory"\n', 'not a \\"directory'),
    ],
)
def test_the_reason_of_a_program_is_its_last_error_in_one_line(said, line):
    assert programs._reason(said.splitlines(), ()) == line


def test_secrets_are_in_files_for_their_owner_alone_and_in_no_argument_or_environment(
    declared, helm, place, monkeypatch
):
    monkeypatch.setenv("PULUMI_CONFIG", '{"a": "hunter2secret"}')
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open")
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    (place / "charts" / "web" / "templates" / "c.yaml").write_text(
        RANDOM.replace("{{ random }}", "{{ .Values.password }}")
    )
    declared({"values": {"password": "hunter2secret"}})
    for call in helm.calls:
        assert "hunter2secret" not in json.dumps([call.arguments, call.environment])
        assert call.modes <= {0o600}
        assert "PULUMI_CONFIG_PASSPHRASE" not in call.environment
        if call.arguments[0] == "template":
            assert call.environment["KUBECONFIG"] != "/home/me/.kube/config"
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    assert "hunter2secret" in kept.read_text()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            "kind: Service\nmetadata: {name: a}\n",
            "web/templates/b.yaml, as rendered: a document has no apiVersion, line 1",
        ),
        (SERVICE.replace("{app: web}", "{app: 5}"), "spec.selector.app is a number (5), line 4: quote it"),
        ("a: [\n", "web/templates/b.yaml, as rendered: not valid YAML: line"),
        ("- a\n- b\n", "as rendered: a document is a list"),
    ],
)
def test_what_is_no_object_is_named_with_its_template_and_line(declared, place, text, wanted):
    (place / "charts" / "web" / "templates" / "b.yaml").write_text(text)
    (line,) = refused(declared)
    assert wanted in line
    assert "correct the template, or the values that it is rendered with" in line


def test_a_template_that_renders_to_comments_alone_declares_nothing(declared, place):
    (place / "charts" / "web" / "templates" / "b.yaml").write_text("# nothing\n\n---\n# here\n")
    objects, _ = declared()
    assert names(objects)[1:] == ["Deployment shop-web"]


def test_one_object_of_two_templates_is_named_with_both(declared, place):
    (place / "charts" / "web" / "templates" / "z.yaml").write_text(SERVICE)
    (line,) = refused(declared)
    assert "Service shop-web occurs twice, in web/templates/b.yaml too" in line


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (None, "no such file"),
        ("a: b: c\n", "not valid YAML: line 1"),
        ("- a\n", "is no mapping of values"),
        ("a: ENC[x]\nsops: {mac: x}\n", "is encrypted with SOPS"),
    ],
)
def test_files_of_values_are_checked_before_helm_sees_them(declared, helm, place, text, wanted):
    if text is not None:
        (place / "more.yaml").write_text(text)
    (line,) = refused(declared, {"valuesFiles": ["more.yaml"]})
    assert line.startswith('workloads[0].chart.valuesFiles[0]: "more.yaml"')
    assert wanted in line
    assert helm.calls == []


@pytest.mark.parametrize(
    ("bound", "value", "script", "wanted"),
    [
        ("SECONDS", 0.3, "/bin/sleep 60 & /bin/sleep 60", "did not end"),
        ("MOST_BYTES", 20, "while :; do echo aaaaaaaaaaaaaaaaaaaa; done", "printed more than"),
        ("SECONDS", 20, "kill -9 $$", "failed with exit code -9, and gave no reason"),
        ("SECONDS", 20, "printf '\\377'", "is not UTF-8"),
    ],
)
def test_a_program_is_bounded_in_time_and_output(tmp_path, monkeypatch, bound, value, script, wanted):
    (tmp_path / "helm").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, bound, value)
    with pytest.raises(programs.ProgramFailed, match=wanted):
        programs.installed("helm").run(["template"])


def test_a_chart_with_a_pipe_or_too_many_files_is_refused(declared, helm, place, monkeypatch):
    os.mkfifo(place / "charts" / "web" / "templates" / "pipe")
    (line,) = refused(declared)
    assert "it is a pipe, and only regular files are read" in line
    (place / "charts" / "web" / "templates" / "pipe").unlink()
    monkeypatch.setattr("flotilla.workloads.sources.inputs.MOST_FILES", 3)
    (line,) = refused(declared)
    assert "has more than 3 files and folders below it" in line
    assert helm.calls == []


def test_links_in_a_chart_are_followed_and_a_loop_ends(declared, place):
    (place / "shared.yaml").write_text(SERVICE.replace("-web", "-more"))
    (place / "charts" / "web" / "templates" / "c.yaml").symlink_to(place / "shared.yaml")
    (place / "charts" / "web" / "up").symlink_to(place / "charts")
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-more"
    (place / "shared.yaml").write_text(SERVICE.replace("-web", "-other"))
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-other"


# -- the cache -------------------------------------------------------------------------------------


def test_a_rendering_that_others_may_have_written_is_not_taken(declared, helm, place):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    document = json.loads(kept.read_text())
    document["objects"][-1]["metadata"]["name"] = "planted"
    kept.write_text(json.dumps(document))
    kept.chmod(0o644)  # what a checkout has
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


@pytest.mark.parametrize("part", [{"objects": 3}, {"objects": [3]}, {"origins": []}, {"notices": None}, {"format": 0}])
def test_a_damaged_rendering_is_made_again(declared, place, part):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), **part}))
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\0"])
def test_a_rendering_that_was_cut_off_is_made_again(declared, place, text):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    kept.write_text(text)
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


def test_what_is_kept_is_bounded_and_the_oldest_goes_first(declared, place, monkeypatch):
    monkeypatch.setattr(cache, "MOST_ENTRIES", 3)
    for replicas in range(5):
        declared({"values": {"replicas": replicas}})
    kept = list((place / ".flotilla" / "rendered").iterdir())
    assert sorted(replicas_in(file) for file in kept) == [2, 3, 4]
    size = max(file.stat().st_size for file in kept)
    monkeypatch.setattr(cache, "MOST_BYTES", size + 10)
    declared({"values": {"replicas": 9}})
    assert [replicas_in(file) for file in (place / ".flotilla" / "rendered").iterdir()] == [9]


def replicas_in(file):
    return json.loads(file.read_text())["objects"][1]["spec"]["replicas"]


def test_where_nothing_can_be_kept_everything_else_works(declared, place):
    (place / ".flotilla").write_text("a file in the way")
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


def test_values_are_in_no_representation_of_the_model():
    chart = WorkloadChart.model_validate({"path": "a", "values": {"password": "hunter2"}})
    assert "hunter2" not in repr(chart)


# -- as the command shows it -----------------------------------------------------------------------


def test_the_guides_workloads_are_ones():
    text = (REPOSITORY / "docs" / "guides" / "charts-and-kustomizations.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    found = [Workload.model_validate(one) for one in yaml.safe_load(block)["flotilla:workloads"]]
    assert [workload.source for workload in found] == ["chart", "kustomize"]


def test_validate_shows_what_becomes_of_a_chart_and_leaves_encrypted_values_alone(place, sections, helm, hooks, capfd):
    (place / "stacks").mkdir()
    (place / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    values = {"tag": {"secure": "v1:abc:def"}}
    sections["workloads"] = [
        {"name": "shop", "placement": {}, "chart": {"path": "charts/web", "hooks": "skip", "values": values}}
    ]
    document = {"config": {f"flotilla:{key}": section for key, section in sections.items()}}
    (place / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    assert main(["validate", "-s", "dev", "-C", str(place), "--json"]) == 0
    notes = json.loads(capfd.readouterr().out)["notes"]
    assert notes[0] == "workload shop: the chart's tests are left out: Job try"
    helm.calls.clear()
    assert main(["validate", "-s", "dev", "-C", str(place)]) == 0
    assert "hooks are left out, and nobody runs them" in " ".join(capfd.readouterr().out.split())
    assert helm.calls == []
    sections["workloads"][0]["chart"].pop("hooks")
    document["config"]["flotilla:workloads"] = sections["workloads"]
    (place / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    assert main(["validate", "-s", "dev", "-C", str(place)]) == 2
    assert "the chart has hooks: Job migrate" in capfd.readouterr().err
