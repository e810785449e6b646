"""A workload's move, on a control plane that acts as Karmada does: what is written, waited for, left, continued."""

import pytest

from components import move as component
from components.move import MoveProvider
from flotilla.errors import NotDone
from flotilla.karmada import enablements
from flotilla.karmada.moving import run
from flotilla.karmada.moving.marks import MOVING, Mark, mark_of
from flotilla.karmada.propagation import deployment
from flotilla.karmada.scaling import scaled
from flotilla.karmada.template_references import reference_to
from flotilla.kube.objects import ref_of
from flotilla.providers import InitializationError
from flotilla.providers.dynamic import DynamicProvider
from flotilla.state.checkpoint import ResourceState
from tests.unit.moving import CONFIG, MANAGER, MovingPlane, owned, reading
from tests.unit.planes import web
from tests.unit.schedules import DYNAMIC
from tests.unit.test_move_stages import even, on

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "once", "namespace": "default"},
    "spec": {"template": {"spec": {"containers": []}}},
}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Waits don't take time: what isn't so at once is not so in time."""
    now = [0.0]
    poll = run.poll

    def clock():
        return now[0]

    def sleep(seconds):
        now[0] += seconds

    monkeypatch.setattr(
        run, "poll", lambda look, timeout, texts=None: poll(look, timeout, texts=texts, clock=clock, sleep=sleep)
    )
    monkeypatch.setattr(run, "pause", sleep)


@pytest.fixture
def moving(monkeypatch):
    """Move the workload of a plane to a placement."""
    kept = []

    def go(plane, placement, **more):
        kept.append(reading(plane))
        monkeypatch.setattr(component, "shared_reader", lambda _kubeconfig: kept[-1])
        return MoveProvider().update("web", {}, props(plane, placement, **more)).outs

    return go


def props(plane, placement, **more):
    return {
        "kubeconfig": "k",
        "workload": "web",
        "timeout": 30,
        "templates": [reference_to(one) for one in plane.templates],
        "placement": placement,
        "overrideRules": [],
        "members": {name: {"id": name, "unanswered": ""} for name in "abc"},
        "policyRefs": [list(plane.policy)],
        "karmadaVersion": "1.18",
        **more,
    }


def places(plane, template=None):
    """Where a template has been scheduled after each write, without repetitions."""
    found = [one[str(ref_of(template or plane.templates[0]))] for one in plane.seen]
    return [one for index, one in enumerate(found) if index == 0 or one != found[index - 1]]


def test_what_is_duplicated_runs_in_both_places_until_the_new_copy_is_healthy(moving):
    plane = MovingPlane(on("a"), web(replicas=2), CONFIG)
    outs = moving(plane, on("b"))
    assert places(plane) == [{"a": 2, "b": 2}, {"b": 2}]
    assert places(plane, CONFIG) == [{"a": None, "b": None}, {"b": None}]
    assert plane.placement == on("b")
    assert plane.writes == ["PropagationPolicy"] * 2, "no more is written than needed"
    assert not plane.marked
    assert "moving" not in outs


def test_divided_replicas_are_raised_meanwhile_and_none_goes_too_early(moving):
    plane = MovingPlane(even("a", "b"))
    moving(plane, even("b", "c"))
    assert places(plane) == [
        {"a": 2, "b": 2},
        {"a": 3, "b": 3},
        {"a": 2, "b": 2, "c": 2},
        {"b": 3, "c": 3},
        {"b": 2, "c": 2},
    ]
    assert (plane.placement, plane.replicas, plane.marked) == (even("b", "c"), 4, False)


@pytest.mark.parametrize("placement", [on("a"), on("a", "b")])
def test_nothing_is_written_where_nothing_leaves_or_nothing_comes(moving, placement):
    plane = MovingPlane(on("a"))
    asked = plane.requests
    moving(plane, placement)
    assert plane.writes == []
    assert plane.requests - asked < 10


@pytest.mark.parametrize(
    ("more", "templates"),
    [
        ({"suspension": {"dispatching": True}}, (web(),)),
        ({"lazy": True}, (web(),)),
        ({}, (web(), JOB)),
    ],
)
def test_what_karmada_is_left_to_move_is_not_asked_for_and_not_written(moving, more, templates):
    plane = MovingPlane(on("a"), *templates)
    moving(plane, on("b"), **more)
    assert plane.writes == []
    assert plane.asked["find", "Deployment"] == 0


def test_replicas_that_an_autoscaler_owns_are_left_to_it_where_they_are_divided(moving):
    """They may not be raised; where each cluster gets all of them, nothing is raised."""
    one = scaled(web(replicas=4), "FederatedHPA web")
    plane = MovingPlane(even("a", "b"), one)
    moving(plane, even("b", "c"))
    assert plane.writes == []
    plane = MovingPlane(on("a"), one)
    moving(plane, on("b"))
    assert places(plane) == [{"a": 4, "b": 4}, {"b": 4}]


def test_a_given_policy_that_divides_is_left_to_karmada_and_one_that_does_not_is_moved(moving):
    plane = MovingPlane(even("a", "b"))
    moving(plane, even("b", "c"), given=True)
    assert plane.writes == []
    plane = MovingPlane(on("a"))
    moving(plane, on("c"), given=True)
    assert places(plane)[0] == {"a": 4, "c": 4}


def test_a_template_of_another_workloads_policy_stays_with_that(moving):
    plane = MovingPlane(on("a"))
    one = plane.objects[ref_of(plane.templates[0])]
    one["metadata"]["annotations"]["propagationpolicy.karmada.io/name"] = "other"
    moving(plane, on("b"))
    assert plane.writes == []


def test_a_copy_that_does_not_get_healthy_keeps_the_old_one_and_the_next_run_goes_on(moving):
    plane = MovingPlane(on("a"), healthy="a")
    with pytest.raises(NotDone) as failed:
        moving(plane, on("b"))
    assert "web is not moved from a to b" in str(failed.value)
    assert "b: " in str(failed.value)
    assert places(plane)[-1] == {"a": 4, "b": 4}
    assert failed.value.outs["moving"] is True
    plane.healthy.add("b")
    plane.reconcile()
    moving(plane, on("b"))
    assert (places(plane)[-1], plane.marked) == ({"b": 4}, False)


def test_a_move_that_failed_goes_back_with_the_old_declaration(moving):
    plane = MovingPlane(even("a", "b"), healthy="ab")
    with pytest.raises(NotDone):
        moving(plane, even("b", "c"))
    assert plane.replicas == 6
    moving(plane, even("a", "b"))
    assert (places(plane)[-1], plane.replicas, plane.marked) == ({"a": 2, "b": 2}, 4, False)
    assert all(min(one.get("a", 0), one.get("b", 0)) >= 2 for one in places(plane))


def test_a_run_that_was_killed_waits_for_the_new_copies_although_they_are_scheduled_already(moving):
    """The binding has both places then: judged by it alone, nothing would come any more."""
    plane = MovingPlane(on("a"), healthy="a")
    for _ in range(2):
        with pytest.raises(NotDone):
            moving(plane, on("b"))
        assert places(plane)[-1] == {"a": 4, "b": 4}


def test_nothing_goes_where_nothing_can_come(moving):
    plane = MovingPlane(on("a"), dead="b")
    with pytest.raises(NotDone, match=r"can't move: .*clusters are available.*its copies stay where they are"):
        moving(plane, on("b"))
    assert plane.writes == []
    assert places(plane) == []


def test_a_cluster_that_is_left_because_it_is_dead_is_not_waited_for(moving):
    plane = MovingPlane(on("a"))
    plane.objects[ref_of(plane._cluster("a", ready=True))] = plane._cluster("a", ready=False)
    plane.healthy.discard("a")
    moving(plane, on("b"))
    assert places(plane)[-1] == {"b": 4}


def test_a_cluster_that_has_got_another_name_is_no_other_place(moving):
    """It has the copy already: with more replicas meanwhile, its pods would be others."""
    plane = MovingPlane(even("a", "b"))
    for ref, name in [(ref, ref.name) for ref in plane.objects if ref.kind == "Cluster"]:
        plane.objects[ref]["spec"]["id"] = "one" if name in "bc" else name
    members = {name: {"id": name, "unanswered": ""} for name in "ac"}
    moving(plane, even("a", "c"), members=members)
    assert plane.writes == []


@pytest.mark.parametrize(
    ("placement", "more"),
    [(even("a", "b"), {"lazy": True}), ({**on("a", "b"), "replicaScheduling": DYNAMIC}, {})],
)
def test_replicas_that_a_killed_run_has_raised_are_put_back_also_where_karmada_is_left_to_it(moving, placement, more):
    plane = MovingPlane(even("a", "b"), healthy="ab")
    with pytest.raises(NotDone):
        moving(plane, even("b", "c"))
    assert (plane.replicas, plane.marked) == (6, True)
    moving(plane, placement, **more)
    assert (plane.replicas, plane.marked, plane.placement) == (4, False, placement)


def test_a_placement_that_nobody_can_read_is_left_to_who_refuses_it(moving):
    plane = MovingPlane(on("a"))
    odd = {"labelSelector": {"matchExpressions": [{"key": "site", "operator": "Like", "values": ["x"]}]}}
    moving(plane, {**on("b"), "clusterAffinity": odd})
    assert plane.writes == []


def test_definitions_go_ahead_to_where_their_objects_come_to(moving, monkeypatch):
    """Karmada schedules nothing to a cluster that doesn't serve its kind, and doesn't come back to it."""
    plane = MovingPlane(on("a"))
    ahead = plane.policy._replace(kind="ClusterPropagationPolicy", name="web.definitions", namespace="")
    stored = plane.objects[plane.policy]
    metadata = {"name": ahead.name, "managedFields": stored["metadata"]["managedFields"]}
    plane.objects[ahead] = {**stored, "kind": ahead.kind, "metadata": metadata, "spec": {"placement": on("a")}}
    asked = []

    def missing(_connection, kinds, affinities, _version):
        asked.append((kinds, affinities, plane.objects[ahead]["spec"]["placement"], plane.placement))
        return ["b: no Gauge in example.org/v1"] if len(asked) == 1 else []

    monkeypatch.setattr(enablements, "missing_kinds", missing)
    more = {"kinds": [["example.org/v1", "Gauge"]], "policyRefs": [list(ahead), list(plane.policy)]}
    moving(plane, on("b"), **more)
    assert asked == [([("example.org/v1", "Gauge")], [{"clusterNames": ["b"]}], on("a", "b"), on("a"))] * 2
    assert plane.objects[ahead]["spec"]["placement"] == plane.placement == on("b")


def test_only_another_placement_is_a_move_and_what_is_left_of_one():
    plane = MovingPlane(on("a"))
    diff = MoveProvider().diff
    olds = props(plane, on("a"))
    assert not diff("web", olds, {**olds, "timeout": 9, "members": {}, "templates": []}).changes
    assert diff("web", olds, props(plane, on("b"))).changes
    assert diff("web", {**olds, "moving": True}, olds).changes


def test_a_refresh_finds_a_move_that_broke_off(moving, monkeypatch):
    plane = MovingPlane(on("a"), healthy="a")
    with pytest.raises(NotDone):
        moving(plane, on("b"))
    stored = props(plane, on("a"))
    assert MoveProvider().read("web", stored).outs["moving"] is True
    plane.objects[plane.policy]["metadata"]["annotations"].pop(MOVING)
    assert "moving" not in MoveProvider().read("web", {**stored, "moving": True}).outs


def test_a_failed_move_is_kept_in_the_state_with_its_reason(moving):
    plane = MovingPlane(on("a"), healthy="a")
    moving_props = props(plane, on("b"))
    with pytest.raises(NotDone):
        moving(plane, on("b"))
    provider = DynamicProvider()
    state = ResourceState(
        urn="urn:pulumi:s::p::pulumi-python:dynamic/flotilla:Move::web-move", custom=True, type="x", id="web"
    )
    with pytest.raises(InitializationError, match="is not moved from a to b"):
        provider.update(state, {**moving_props, "__provider": ""}, timeout=None)


def test_what_pulumis_provider_created_is_written_in_the_name_of_its_creator(moving):
    """Its fields have no apply that could be made again; in its own entry no new owner appears."""
    plane = MovingPlane(on("a"))
    for ref in (plane.policy, ref_of(plane.templates[0])):
        plane.objects[ref] = owned(plane.objects[ref], "pulumi-kubernetes", "Update")
    moving(plane, on("b"))
    assert places(plane) == [{"a": 4, "b": 4}, {"b": 4}]
    assert not plane.marked


def test_an_apply_has_all_that_the_stack_owns_and_nothing_of_others(moving):
    plane = MovingPlane(on("a"))
    plane.objects[plane.policy]["spec"]["failover"] = {"of": "somebody else"}
    applied = []
    apply = plane.apply
    plane.apply = lambda obj, **keys: (applied.append(obj), apply(obj, **keys))
    moving(plane, on("b"))
    assert [sorted(one["spec"]) for one in applied] == [["placement", "resourceSelectors"]] * 2
    assert [MOVING in (one["metadata"].get("annotations") or {}) for one in applied] == [True, False]
    assert MANAGER.startswith("pulumi-kubernetes")


def test_a_mark_that_somebody_has_spoiled_is_one_all_the_same():
    found = mark_of([{"metadata": {"annotations": {MOVING: "{"}}}])
    assert found == Mark()
    assert mark_of([{"metadata": {}}]) is None
    again = mark_of([{"metadata": {"annotations": {MOVING: Mark({"a": 1}, {"a": {"x": 1}}, ("x",), ("y",)).write()}}}])
    assert (again.replicas, again.shares, again.text) == ({"a": 1}, {"a": {"x": 1}}, "from x to y")


def test_a_workload_that_is_not_there_yet_has_nothing_to_move(moving):
    plane = MovingPlane(on("a"))
    del plane.objects[ref_of(plane.templates[0])]
    plane.reconcile = lambda: None
    moving(plane, on("b"))
    assert plane.writes == []
    other = deployment("x", namespace="d", image="i", replicas=1, ports=[], env={}, resources=None, labels={})
    assert reference_to(other)["kind"] == "Deployment"
