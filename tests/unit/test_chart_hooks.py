"""Hooks of charts are refused by name until the stack file says how to treat them."""

# ruff: noqa: F811 - fixtures are arguments here

import json

import yaml

from flotilla.cli.main import main
from tests.conftest import REPOSITORY
from tests.unit.charts import DEFINED_BY_HOOK, SERVICE, declared, helm, hooks, place, refused  # noqa: F401 - fixtures


def test_hooks_are_refused_by_name_without_a_setting_in_the_stack_file(declared, hooks):
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
        f"workload shop: hooks are left out, and nothing runs them: {left_out}",
    ]


def test_install_hooks_can_be_declared_and_delete_hooks_cannot(declared, hooks):
    objects, notices = declared({"hooks": "include"})
    (job,) = [one for one in objects if one["kind"] == "Job"]
    assert job["metadata"] == {"name": "migrate", "namespace": "default", "annotations": {"kept": "yes"}}
    assert "hooks are left out, and nothing runs them: Job clean (post-delete)" in notices[1]
    assert "declared like any other object" in notices[2]


def test_changed_setting_of_hooks_needs_no_new_rendering(declared, hooks, helm):
    refused(declared)
    helm.calls.clear()
    declared({"hooks": "skip"})
    declared({"hooks": "include"})
    assert helm.calls == []


def test_definition_in_a_hook_is_declared_like_any_object(declared, place):
    (place / "charts" / "web" / "templates" / "crd.yaml").write_text(DEFINED_BY_HOOK)
    objects, _ = declared({"includeCRDs": False})
    assert [one["metadata"] for one in objects if one["kind"] == "CustomResourceDefinition"] == [
        {"name": "things.example.org"}
    ]


def test_objects_with_helms_keep_annotation_are_reported(declared, place):
    text = SERVICE.replace('web"}', 'web", annotations: {helm.sh/resource-policy: keep}}')
    (place / "charts" / "web" / "templates" / "b.yaml").write_text(text)
    _, notices = declared()
    assert notices == [
        "workload shop: only helm obeys `helm.sh/resource-policy: keep`, and a destroy deletes these: Service shop-web"
    ]


def test_validate_shows_the_treatment_of_hooks_and_leaves_encrypted_values_alone(place, sections, helm, hooks, capfd):
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
    assert "hooks are left out, and nothing runs them" in " ".join(capfd.readouterr().out.split())
    assert helm.calls == []
    sections["workloads"][0]["chart"].pop("hooks")
    document["config"]["flotilla:workloads"] = sections["workloads"]
    (place / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump(document))
    assert main(["validate", "-s", "dev", "-C", str(place)]) == 2
    assert "the chart has hooks: Job migrate" in capfd.readouterr().err
