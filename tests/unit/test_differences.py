"""Changes that do not fit in a line of a plan: what is printed below it, and the machine-readable form."""

import json
from dataclasses import replace

import pytest

from flotilla.cli.differences import Line, value_lines
from flotilla.cli.output import Output, plan_document
from flotilla.deploy.interface import EngineName
from flotilla.plan.change_texts import ChangeText
from flotilla.plan.changes import change_text, copy_plan
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Op, Result
from flotilla.state.diff import Change, ChangeKind
from flotilla.state.values import Secret
from tests.unit.test_plan_found import nginx, object_step, override


def printed(result, capsys, **more):
    plan = fleet_plan(result, version="1.18.2")
    shown = {"detail": False, "rendered": False, "title": "Plan", **more}
    Output(as_json=False).plan(plan, result, stack="dev", engine=EngineName.EMBEDDED, **shown)
    return capsys.readouterr().out


def override_with(*rules):
    obj = override(*rules)
    obj["spec"]["resourceSelectors"] = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "nginx"}]
    return obj


def rule(cluster, value, path="/spec/template/spec/containers/0/image"):
    plaintext = [{"path": path, "operator": "replace", "value": value}]
    return {"targetCluster": {"clusterNames": [cluster]}, "overriders": {"plaintext": plaintext}}


def test_rules_of_an_override_policy_are_shown_as_a_diff_and_not_cut(capsys):
    old, new = override_with(rule("member1", "nginx:1.27")), override_with(rule("member1", "nginx:1.28"))
    change = Change(
        ("spec", "overrideRules"), ChangeKind.UPDATE, old["spec"]["overrideRules"], new["spec"]["overrideRules"]
    )
    result = Result(steps=[replace(object_step(old, new), op=Op.UPDATE, changes=(change,))])
    text = printed(result, capsys)
    assert "-       value: nginx:1.27" in text
    assert "+       value: nginx:1.28" in text
    assert "[{" not in text
    document = plan_document(fleet_plan(result), result, stack="dev", engine=EngineName.EMBEDDED)
    (lines,) = json.loads(json.dumps(document))["changed"].values()
    assert lines == [f"OverridePolicy default/{new['metadata']['name']}: {change_text(change)}"]


def test_values_that_override_secrets_are_never_shown(capsys):
    old, new = (override_with(rule("member1", value, "/data/password")) for value in ("b2xk-hunter2", "bmV3-hunter3"))
    for obj in (old, new):
        obj["spec"]["resourceSelectors"] = [{"apiVersion": "v1", "kind": "Secret", "name": "db"}]
    change = Change(
        ("spec", "overrideRules"),
        ChangeKind.UPDATE,
        Secret(old["spec"]["overrideRules"]),
        Secret(new["spec"]["overrideRules"]),
    )
    result = Result(steps=[replace(object_step(old, new), op=Op.UPDATE, changes=(change,))])
    text = printed(result, capsys, diff=True)
    assert "hunter" not in text
    plain = replace(change, old=change.old.value, new=change.new.value)
    result = Result(steps=[replace(object_step(old, new), op=Op.UPDATE, changes=(plain,))])
    assert "hunter" not in printed(result, capsys, diff=True).replace(change_text(plain), "")


def test_short_changes_of_a_copy_are_in_its_line_and_long_lists_below():
    old, new = nginx(2), nginx(3)
    container = new["spec"]["template"]["spec"]["containers"][0]
    container["args"] = ["--one", "--two"]
    copy = copy_plan("member1", [old], [new])
    assert "replicas 2 → 3" in copy.details
    (args,) = (text for text in copy.details if text.startswith("args"))
    assert isinstance(args, ChangeText)
    assert value_lines(args.changes[0].old, args.changes[0].new) == [Line("+", "- --one"), Line("+", "- --two")]


def test_the_diff_of_a_long_value_is_bounded_and_that_of_an_object_is_not(capsys):
    lines = value_lines(None, [str(number) for number in range(100)])
    assert len(lines) == 41
    assert lines[-1] == Line("…", "60 more lines; --diff shows them")
    result = Result(
        steps=[
            object_step(None, {**nginx(2), "metadata": {"name": "nginx", "labels": {str(n): "x" for n in range(99)}}})
        ]
    )
    assert "more lines" not in printed(result, capsys, diff=True)


def test_whole_objects_are_shown_before_and_after(capsys):
    result = Result(steps=[object_step(nginx(2), nginx(3)), object_step(None, override())])
    text = printed(result, capsys, diff=True)
    assert "-   replicas: 2" in text
    assert "+   replicas: 3" in text
    assert "+ kind: OverridePolicy" in text


@pytest.mark.parametrize("text", ["one\nsecond: \x1b]8;;https://evil.example\x07line", "a\x1b[31mred" * 9])
def test_diff_has_no_control_characters(text, capsys):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "d"}, "data": {"a": text}}
    change = Change(("data", "a"), ChangeKind.UPDATE, "", text)
    result = Result(steps=[replace(object_step(obj, obj), op=Op.UPDATE, changes=(change,))])
    assert "\x1b" not in printed(result, capsys, diff=True)
