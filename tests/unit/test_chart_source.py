"""Charts as a source of a workload: how helm is called, and which charts are accepted."""

# ruff: noqa: F811 - fixtures are arguments here

import os

import pytest

from flotilla.stack import ConfigError, parse_fleet
from tests.unit.charts import AT, declared, helm, names, place, refused  # noqa: F401 - fixtures


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


def test_inline_values_override_values_files_which_override_the_charts_values(declared, place):
    (place / "one.yaml").write_text("replicas: 2\ntag: a\n")
    (place / "two,b.yaml").write_text("tag: b\n")
    objects, _ = declared({"valuesFiles": ["one.yaml", "two,b.yaml"]})
    assert (objects[1]["spec"]["replicas"], image(objects[1])) == (2, "nginx:b")
    objects, _ = declared({"valuesFiles": ["one.yaml", "two,b.yaml"], "values": {"tag": "c"}})
    assert (objects[1]["spec"]["replicas"], image(objects[1])) == (2, "nginx:c")


def image(deployment):
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]


def test_release_capabilities_and_definitions_come_from_the_stack_file(declared, helm):
    objects, _ = declared(
        {"release": "old", "includeCRDs": False, "kubeVersion": "1.31", "apiVersions": ["a.example/v1", "b/v1/B"]}
    )
    assert names(objects) == ["Deployment old-web", "Service old-web"]
    call = helm.of("template")[0].arguments
    assert call[1] == "old"
    assert {"--kube-version=1.31", "--api-versions=a.example/v1", "--api-versions=b/v1/B"} <= set(call)
    assert "--include-crds" not in call


def test_renamed_workload_keeps_its_release_name(declared):
    objects, _ = declared(formerly="store")
    assert names(objects)[1:] == ["Deployment store-web", "Service store-web"]


def test_unchanged_inputs_start_no_program_and_need_no_helm(declared, helm, place):
    first = declared({"values": {"replicas": 3}})
    helm.calls.clear()
    assert declared({"values": {"replicas": 3}}) == first
    assert helm.calls == []
    helm.remove("helm")
    assert declared({"values": {"replicas": 3}}) == first, "what was rendered is there without helm"


@pytest.mark.parametrize("what", ["value", "values file", "template", "release", "namespace", "capability", "helm"])
def test_change_of_any_input_renders_again(declared, helm, place, what):
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


def test_another_binary_of_the_same_helm_version_renders_nothing_again(declared, helm):
    declared()
    helm.calls.clear()
    os.utime(helm.folder / "helm", (1, 1))
    declared()
    declared()
    assert [call.arguments[0] for call in helm.calls] == ["version"]


def test_changed_value_changes_only_the_objects_that_use_it(declared):
    before, _ = declared()
    after, _ = declared({"values": {"tag": "1.28"}})
    changed = [name for name, one, other in zip(names(before), before, after, strict=True) if one != other]
    assert changed == ["Deployment shop-web"]
    assert image(after[1]) == "nginx:1.28"


# -- remote charts ---------------------------------------------------------------------------------


def test_chart_of_a_repository_is_pulled_once(declared, helm, place):
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


def test_oci_reference_is_pulled_by_its_reference(declared, helm, place):
    (helm.folder / "repository").mkdir()
    (place / "charts" / "web").rename(helm.folder / "repository" / "web")
    declared({"oci": "oci://registry.example/charts/web", "version": "1.2.3"})
    (pull,) = helm.of("pull")
    assert pull.arguments[1:3] == ["oci://registry.example/charts/web", "--version=1.2.3"]
    assert not any(argument.startswith("--repo") for argument in pull.arguments)


def test_unreachable_repository_is_one_line_with_the_alternatives(declared, helm):
    helm.offline = True
    (line,) = refused(declared, dict(AT))
    assert line.startswith("workloads[0].chart: helm pull: looks like ")
    assert "store it in the project (`helm pull`) and give its `path`" in line


@pytest.mark.parametrize(
    ("chart", "wanted"),
    [
        ({"values": {}}, "needs one of 'repository', 'oci' and 'path'"),
        ({"path": "a", "oci": "oci://b/c", "version": "1.0.0"}, "at most one of 'repository', 'path' and 'oci'"),
        ({"oci": "registry.example/web", "version": "1.0.0"}, "write oci://registry.example/web"),
        ({"repository": "https://charts.example", "version": "1.0.0"}, "needs 'name' and 'repository' together"),
        ({"path": "charts/web", "name": "web"}, "remove 'name'"),
        ({"repository": "https://charts.example", "name": "web"}, "needs an exact 'version'"),
        ({**AT, "version": "^1.2.0"}, "needs an exact 'version'"),
        ({**AT, "version": "1.x"}, "needs an exact 'version'"),
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
        ({"path": "charts/nothing"}, "is not a chart"),
        ({"path": "kube.yaml/x"}, "is not a chart"),
    ],
)
def test_invalid_chart_settings_are_refused(place, sections, helm, chart, wanted):
    sections["workloads"] = [{"name": "shop", "placement": {}, "chart": chart}]
    with pytest.raises(ConfigError) as caught:
        parse_fleet(sections, base=place)
    assert wanted in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert helm.calls == []


def test_short_form_keys_and_a_second_source_are_refused(place, sections, helm):
    chart = {"chart": {"path": "charts/web"}, "placement": {}, "name": "shop"}
    for more, wanted in (
        ({"replicas": 2}, "has 'chart' and the short form's 'replicas'"),
        ({"image": "nginx"}, "exactly one of 'image', 'manifests', 'chart', 'kustomize' and 'source'"),
        ({"manifests": ["a.yaml"]}, "exactly one of"),
        ({"kustomize": {"path": "a"}}, "exactly one of"),
        ({"name": "s" * 60}, "add `release` to the chart"),
    ):
        with pytest.raises(ConfigError, match=wanted):
            parse_fleet({**sections, "workloads": [{**chart, **more}]}, base=place)
