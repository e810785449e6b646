"""Workloads with `after`: refusals, the order of declaration, and workloads that a failure leaves unchanged."""

import json

import pulumi
import pytest
import yaml

from components.rollout import RolloutProvider
from components.withdrawal import WithdrawalProvider
from flotilla.cli.output import Output
from flotilla.deploy.interface import EngineName
from flotilla.errors import FlotillaError
from flotilla.karmada.status.withdrawal import await_withdrawn
from flotilla.kube.objects import ref_of
from flotilla.plan.fleet import fleet_plan
from flotilla.plan.steps import Op, Result
from flotilla.stack import ConfigError, parse_fleet
from flotilla.stack.files import ManifestFiles
from flotilla.workloads.order import in_order
from tests.conformance.file_resource import Group
from tests.unit.planes import Plane, cluster, live, web, work
from tests.unit.test_components import absolute, run  # noqa: F401 - fixtures
from tests.unit.test_failures import declare
from tests.unit.test_failures import stack as stack_of  # noqa: F401 - a fixture
from tests.unit.test_moves import NAMESPACE, obj
from tests.unit.test_spaces import rollout, within, written


@pytest.fixture
def stack(sections, project):
    """Parse a stack of workloads, given by name with their `after` lists and the objects of their manifests."""

    def stack(*, files=True, **workloads):
        sections["workloads"] = []
        for name, (after, *objects) in workloads.items():
            (project / f"{name}.yaml").write_text(yaml.safe_dump_all(objects or [obj("v1", "ConfigMap", name)]))
            more = {"after": after} if after else {}
            sections["workloads"].append({"name": name, "manifests": [f"{name}.yaml"], "placement": {}, **more})
        return parse_fleet(sections, base=project, files=files)

    return stack


def problems(call):
    with pytest.raises(ConfigError) as caught:
        call()
    return [str(problem) for problem in caught.value.problems]


def order(fleet, project):
    return [workload.name for workload, _ in in_order(fleet, ManifestFiles(project))]


def test_workloads_follow_those_named_in_after_and_else_file_order(stack, project):
    fleet = stack(web=(["database", "cache"],), other=([],), database=(["cache"],), cache=([],))
    assert order(fleet, project) == ["other", "cache", "database", "web"]
    needs = {
        workload.name: [need.what for need in needs] for workload, needs in in_order(fleet, ManifestFiles(project))
    }
    assert needs == {"other": [], "cache": [], "database": ["rollout"], "web": ["rollout", "rollout"]}


def test_dependencies_and_after_give_one_order(stack, project):
    """`spaces` contains a namespace that `web` needs, and is itself declared after `database`."""
    fleet = stack(web=([], within("billing")), spaces=(["database"], NAMESPACE), database=([],))
    assert order(fleet, project) == ["database", "spaces", "web"]


def test_two_workloads_that_need_each_other_keep_the_order_of_others(stack, project):
    one, second = obj("v1", "Namespace", "one"), obj("v1", "Namespace", "two")
    config = obj("v1", "ConfigMap", "x")
    fleet = stack(last=(["b"],), b=([], second, within("one", config)), a=([], one, within("two", config)))
    assert order(fleet, project) == ["b", "a", "last"]


@pytest.mark.parametrize("files", [True, False])
def test_unknown_name_and_the_workload_itself_are_refused(stack, files):
    found = problems(lambda: stack(files=files, web=(["databse", "web"],), database=([],)))
    assert found[0] == (
        'workloads[0].after[0]: "databse" — is not a workload of this stack; the workload would wait without '
        "success; use one of database"
    )
    assert found[1:] == ['workloads[0].after[1]: "web" — is the workload itself; it would wait for itself; remove it']


def test_former_name_is_refused_with_the_present_name(sections, project):
    plain = sections["workloads"][0]
    sections["workloads"] = [
        {**plain, "name": "db", "formerly": "database"},
        {**plain, "name": "w", "after": ["database"]},
    ]
    (found,) = problems(lambda: parse_fleet(sections, base=project))
    assert "its name is db now" in found


@pytest.mark.parametrize("files", [True, False])
def test_cycle_is_refused_in_one_line_with_its_workloads(stack, files):
    (found,) = problems(lambda: stack(files=files, a=(["b"],), b=(["c"],), c=(["a"],), d=(["a"],)))
    assert found == (
        'workloads[0].after[0]: "b" — makes a cycle: a is after b, b is after c, c is after a; none of them could be '
        "declared first; remove one of these, or move the needed objects into a workload that comes before"
    )


def test_cycle_with_a_dependency_is_refused(stack):
    """The database is to be first, but its namespace is in a workload that comes after it."""
    (found,) = problems(
        lambda: stack(web=(["database"], NAMESPACE), database=([], within("billing", obj("v1", "ConfigMap", "d"))))
    )
    assert "makes a cycle: web is after database, database needs namespace billing of web" in found


def test_each_cycle_is_reported_once(stack):
    found = problems(lambda: stack(a=(["b"],), b=(["a"],), c=(["d"],), d=(["c"],)))
    assert [one.partition(" — makes")[0] for one in found] == [
        'workloads[0].after[0]: "b"',
        'workloads[2].after[0]: "d"',
    ]


def test_invalid_workload_is_not_also_reported_as_unknown(sections, project):
    plain = sections["workloads"][0]
    sections["workloads"] = [{**plain, "name": "db", "replicas": -1}, {**plain, "name": "web", "after": ["db"]}]
    (found,) = problems(lambda: parse_fleet(sections, base=project))
    assert found.startswith("workloads[0].replicas")


# -- what is declared -----------------------------------------------------------------------------


def two_workloads(absolute):  # noqa: F811
    plain = absolute["workloads"][0]
    absolute["workloads"] = [{**plain, "name": "web", "after": ["database"]}, {**plain, "name": "database"}]
    return absolute


def test_rollout_of_the_workload_before_is_done_before_anything_is_declared(run, absolute):  # noqa: F811
    names = list(run(two_workloads(absolute)))
    first = names.index("database-rollout")
    of_web = [name for name in names if name.startswith("web") or name.endswith("/web")]
    assert {
        "web",
        "web-withdrawal",
        "web-move",
        "web-policy",
        "web-override",
        "deployment-default/web",
        "web-rollout",
    } == set(of_web)
    assert all(names.index(name) > first for name in of_web)


def value_of(folder, name):
    return json.loads((folder / "files" / f"{name}.json").read_text())["value"]


def test_workload_after_a_failed_one_is_neither_changed_nor_deleted(stack_of, tmp_path):  # noqa: F811
    """With a new `after`, a component depends on another component for the first time when that one fails."""

    def program(value, web, *, after):
        def declared(folder):
            database = declare(folder, "database", value, parent=Group("a"))
            group = Group("b", pulumi.ResourceOptions(depends_on=[database] if after else []))
            declare(folder, "web", web, parent=group)
            declare(folder, "beside", web)

        return declared

    assert stack_of(program("1", "1", after=False)).up().failures == []
    assert len(stack_of(program("fail", "2", after=True)).up().failures) == 1
    assert [value_of(tmp_path, name) for name in ("database", "web", "beside")] == ["1", "1", "2"]
    assert stack_of(program("3", "2", after=True)).up().failures == []
    assert stack_of(program("3", "2", after=True)).preview().changes == []
    assert value_of(tmp_path, "web") == "2"


def test_plan_has_the_order_and_a_changed_order_changes_no_rollout():
    step = rollout(after=["cache", "database"])
    plan = fleet_plan(Result(steps=[step]))
    assert plan.workloads[0].after == ("cache", "database")
    assert json.loads(json.dumps(plan.to_json()))["workloads"][0]["after"] == ["cache", "database"]
    news = step.new.inputs
    olds = {key: value for key, value in news.items() if key != "after"}
    assert not RolloutProvider().diff("id", {**olds, "settled": True}, news).changes


def test_text_plan_shows_the_order_and_policies_next_to_the_workload(capsys):
    steps = [
        rollout(after=["cache", "database"]),
        written(Op.CREATE, "PropagationPolicy", "nginx", "default"),
        written(Op.CREATE, "PropagationPolicy", "nginx.books", "books"),
    ]
    result = Result(steps=steps)
    shown = {"stack": "dev", "engine": EngineName.EMBEDDED, "detail": False, "rendered": False, "title": "Plan"}
    Output(as_json=False).plan(fleet_plan(result), result, **shown)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "nginx: after: cache, database" in lines
    assert "policies: books/nginx.books (new), default/nginx (new)" in lines


# -- removal ---------------------------------------------------------------------------------------


def work_in_deletion(member, template):
    sent = work(template, member, identity="id-web")
    return {**sent, "metadata": {**sent["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}


def test_work_without_a_binding_is_waited_for_if_other_workloads_come_after():
    """Karmada deletes a binding once its Works are being deleted.

    Regression: the workload before was deleted at the same time.
    """
    template = web()
    plane = Plane(
        cluster("m1"), cluster("m2", ready=False), work_in_deletion("m1", template), work_in_deletion("m2", template)
    )
    await_withdrawn(plane, [ref_of(template)], 0)
    with pytest.raises(FlotillaError, match=r"copies are still there after 0 s: Deployment default/web in m1\n"):
        await_withdrawn(plane, [ref_of(template)], 0, every_work=True)
    await_withdrawn(plane, [ref_of(template)._replace(name="other")], 0, every_work=True)
    plane.objects[ref_of(template)] = live(template)
    await_withdrawn(plane, [ref_of(template)], 0, every_work=True)  # another workload has it now


def test_state_keeps_the_order_of_removal(run, absolute):  # noqa: F811
    registered = run(two_workloads(absolute))
    props = registered["web-withdrawal"].inputs
    assert props["before"] == ["database"]
    assert "before" not in registered["database-withdrawal"].inputs
    olds = {key: value for key, value in props.items() if key != "before"}
    assert WithdrawalProvider().diff("id", olds, props).changes
