"""The move of a workload, on a control plane that acts like Karmada: writes, waits, interruptions and resumption."""

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
def no_pauses(monkeypatch):
    """Waits take no time: a condition that doesn't hold immediately counts as timed out."""
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
    """Move the workload of a control plane to a placement."""
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
    """Return where a template was scheduled after each write, without repetitions."""
    found = [one[str(ref_of(template or plane.templates[0]))] for one in plane.seen]
    return [one for index, one in enumerate(found) if index == 0 or one != found[index - 1]]


def test_duplicated_workload_runs_in_both_places_until_the_new_copy_is_healthy(moving):
    plane = MovingPlane(on("a"), web(replicas=2), CONFIG)
    outs = moving(plane, on("b"))
    assert places(plane) == [{"a": 2, "b": 2}, {"b": 2}]
    assert places(plane, CONFIG) == [{"a": None, "b": None}, {"b": None}]
    assert plane.placement == on("b")
    assert plane.writes == ["PropagationPolicy"] * 2, "no more is written than needed"
    assert not plane.marked
    assert "moving" not in outs


def test_divided_replicas_are_raised_during_the_move_and_none_is_removed_too_early(moving):
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
def test_nothing_is_written_if_no_cluster_is_left_or_none_is_added(moving, placement):
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
def test_template_whose_move_is_left_to_karmada_is_neither_read_nor_written(moving, more, templates):
    plane = MovingPlane(on("a"), *templates)
    moving(plane, on("b"), **more)
    assert plane.writes == []
    assert plane.asked["find", "Deployment"] == 0


def test_divided_replicas_of_an_autoscaler_are_left_to_it(moving):
    """They may not be raised. Where each cluster gets all replicas, nothing has to be raised."""
    one = scaled(web(replicas=4), "FederatedHPA web")
    plane = MovingPlane(even("a", "b"), one)
    moving(plane, even("b", "c"))
    assert plane.writes == []
    plane = MovingPlane(on("a"), one)
    moving(plane, on("b"))
    assert places(plane) == [{"a": 4, "b": 4}, {"b": 4}]


def test_given_policy_that_divides_is_left_to_karmada_and_one_that_duplicates_is_moved(moving):
    plane = MovingPlane(even("a", "b"))
    moving(plane, even("b", "c"), given=True)
    assert plane.writes == []
    plane = MovingPlane(on("a"))
    moving(plane, on("c"), given=True)
    assert places(plane)[0] == {"a": 4, "c": 4}


def test_template_claimed_by_another_workloads_policy_is_not_moved(moving):
    plane = MovingPlane(on("a"))
    one = plane.objects[ref_of(plane.templates[0])]
    one["metadata"]["annotations"]["propagationpolicy.karmada.io/name"] = "other"
    moving(plane, on("b"))
    assert plane.writes == []


def test_unhealthy_new_copy_keeps_the_old_one_and_the_next_run_continues(moving):
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


def test_failed_move_is_reverted_with_the_old_declaration(moving):
    plane = MovingPlane(even("a", "b"), healthy="ab")
    with pytest.raises(NotDone):
        moving(plane, even("b", "c"))
    assert plane.replicas == 6
    moving(plane, even("a", "b"))
    assert (places(plane)[-1], plane.replicas, plane.marked) == ({"a": 2, "b": 2}, 4, False)
    assert all(min(one.get("a", 0), one.get("b", 0)) >= 2 for one in places(plane))


def test_next_run_after_a_kill_waits_for_the_new_copies_that_are_scheduled_already(moving):
    """The binding then has both places; by the binding alone, no new cluster seems to be added."""
    plane = MovingPlane(on("a"), healthy="a")
    for _ in range(2):
        with pytest.raises(NotDone):
            moving(plane, on("b"))
        assert places(plane)[-1] == {"a": 4, "b": 4}


def test_nothing_is_removed_if_no_copy_can_be_added(moving):
    plane = MovingPlane(on("a"), dead="b")
    with pytest.raises(NotDone, match=r"can't move: .*clusters are available.*its copies stay where they are"):
        moving(plane, on("b"))
    assert plane.writes == []
    assert places(plane) == []


def test_dead_cluster_that_is_left_is_not_waited_for(moving):
    plane = MovingPlane(on("a"))
    plane.objects[ref_of(plane._cluster("a", ready=True))] = plane._cluster("a", ready=False)
    plane.healthy.discard("a")
    moving(plane, on("b"))
    assert places(plane)[-1] == {"b": 4}


def test_renamed_cluster_is_no_new_place(moving):
    """It has the copy already; with more replicas for a time, its pods would be replaced."""
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
def test_replicas_raised_by_a_killed_run_are_reset_also_if_karmada_does_the_move(moving, placement, more):
    plane = MovingPlane(even("a", "b"), healthy="ab")
    with pytest.raises(NotDone):
        moving(plane, even("b", "c"))
    assert (plane.replicas, plane.marked) == (6, True)
    moving(plane, placement, **more)
    assert (plane.replicas, plane.marked, plane.placement) == (4, False, placement)


def test_invalid_placement_is_left_to_the_api_server(moving):
    plane = MovingPlane(on("a"))
    odd = {"labelSelector": {"matchExpressions": [{"key": "site", "operator": "Like", "values": ["x"]}]}}
    moving(plane, {**on("b"), "clusterAffinity": odd})
    assert plane.writes == []


def test_definitions_are_sent_first_to_the_new_clusters(moving, monkeypatch):
    """Karmada schedules nothing to a cluster that doesn't serve the kind, and does not try again later."""
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


def test_only_another_placement_or_an_unfinished_move_is_a_move():
    plane = MovingPlane(on("a"))
    diff = MoveProvider().diff
    olds = props(plane, on("a"))
    assert not diff("web", olds, {**olds, "timeout": 9, "members": {}, "templates": []}).changes
    assert diff("web", olds, props(plane, on("b"))).changes
    assert diff("web", {**olds, "moving": True}, olds).changes


def test_refresh_finds_an_interrupted_move(moving, monkeypatch):
    plane = MovingPlane(on("a"), healthy="a")
    with pytest.raises(NotDone):
        moving(plane, on("b"))
    stored = props(plane, on("a"))
    assert MoveProvider().read("web", stored).outs["moving"] is True
    plane.objects[plane.policy]["metadata"]["annotations"].pop(MOVING)
    assert "moving" not in MoveProvider().read("web", {**stored, "moving": True}).outs


def test_failed_move_is_stored_in_the_state_with_its_reason(moving):
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


def test_fields_created_by_pulumis_provider_are_written_under_its_manager(moving):
    """These fields were not applied, so the apply can't be repeated.

    With the creator's manager, no new owner is added.
    """
    plane = MovingPlane(on("a"))
    for ref in (plane.policy, ref_of(plane.templates[0])):
        plane.objects[ref] = owned(plane.objects[ref], "pulumi-kubernetes", "Update")
    moving(plane, on("b"))
    assert places(plane) == [{"a": 4, "b": 4}, {"b": 4}]
    assert not plane.marked


def test_apply_has_all_fields_of_the_stack_and_none_of_others(moving):
    plane = MovingPlane(on("a"))
    plane.objects[plane.policy]["spec"]["failover"] = {"of": "somebody else"}
    applied = []
    apply = plane.apply
    plane.apply = lambda obj, **keys: (applied.append(obj), apply(obj, **keys))
    moving(plane, on("b"))
    assert [sorted(one["spec"]) for one in applied] == [["placement", "resourceSelectors"]] * 2
    assert [MOVING in (one["metadata"].get("annotations") or {}) for one in applied] == [True, False]
    assert MANAGER.startswith("pulumi-kubernetes")


def test_malformed_mark_still_counts_as_a_mark():
    found = mark_of([{"metadata": {"annotations": {MOVING: "{"}}}])
    assert found == Mark()
    assert mark_of([{"metadata": {}}]) is None
    again = mark_of([{"metadata": {"annotations": {MOVING: Mark({"a": 1}, {"a": {"x": 1}}, ("x",), ("y",)).write()}}}])
    assert (again.replicas, again.shares, again.text) == ({"a": 1}, {"a": {"x": 1}}, "from x to y")


def test_new_workload_has_nothing_to_move(moving):
    plane = MovingPlane(on("a"))
    del plane.objects[ref_of(plane.templates[0])]
    plane.reconcile = lambda: None
    moving(plane, on("b"))
    assert plane.writes == []
    other = deployment("x", namespace="d", image="i", replicas=1, ports=[], env={}, resources=None, labels={})
    assert reference_to(other)["kind"] == "Deployment"
