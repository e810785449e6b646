"""The stages of a move: at each stage enough replicas are ready, for the division method of any version."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from flotilla.karmada.moving.stages import NoWayError, Shift, Until, Way, moves
from flotilla.karmada.scheduling import (
    Certain,
    ClusterFacts,
    Current,
    Demand,
    Scheduler,
    Taint,
    decide,
    divides,
)
from flotilla.karmada.versions import Version
from flotilla.kube.objects import ObjectRef
from tests.unit.schedules import NEW, OLD

NAMES = ("a", "b", "c", "d")
CLUSTERS = [ClusterFacts(name) for name in NAMES]
WEB = ObjectRef("apps/v1", "Deployment", "web", "default")
API = ObjectRef("apps/v1", "Deployment", "api", "default")
CONFIG = ObjectRef("v1", "ConfigMap", "web", "default")
DUPLICATED = {"replicaSchedulingType": "Duplicated"}
DIVIDED = {"replicaSchedulingType": "Divided", "replicaDivisionPreference": "Weighted"}


def on(*names, **weights):
    scheduling = DUPLICATED if weights.pop("duplicated", not weights) else DIVIDED
    if weights:
        listed = [{"targetCluster": {"clusterNames": [n]}, "weight": w} for n, w in weights.items()]
        scheduling = {**DIVIDED, "weightPreference": {"staticWeightList": listed}}
    return {"clusterAffinity": {"clusterNames": list(names)}, "replicaScheduling": scheduling}


def even(*names):
    return on(*names, **dict.fromkeys(names, 1))


def scheduled(placement, replicas, scheduler, current=None, uid="1", clusters=CLUSTERS):
    """Return where Karmada puts replicas; ties are settled by the first choice and stay settled."""
    demand = Demand("apps/v1", "Deployment", replicas, uid=uid)
    found = decide(clusters, placement, demand, current=current or Current(), scheduler=scheduler)
    return dict(found.shares if isinstance(found, Certain) else found.first)


def shift(ref, before, after, replicas, scheduler, uid="1", **more):
    """Return a moving template, by the scheduler's own decisions."""
    was = scheduled(before, replicas, scheduler, uid=uid)
    will = scheduled(after, replicas, scheduler, Current(was), uid)
    return Shift(ref, was, will, replicas, replicas, uid, **more)


def total(shares):
    return sum(count or 0 for count in shares.values())


def ready_at_each_stage(one, stages, scheduler, ready=None):
    """Run all stages of a move, and return the ready replicas at the end of each.

    New copies become ready only when they are waited for.
    """
    current, ready, found = dict(one.before), dict(ready or one.before), []
    for stage in stages:
        current = scheduled(stage.placement, stage.replicas[one.ref], scheduler, Current(current), one.uid)
        ready = {name: min(count, current.get(name) or 0) for name, count in ready.items()}
        if stage.until is Until.HEALTHY:
            ready |= {name: current.get(name) or 0 for name in one.coming}
        found.append(sum(ready.values()))
    return found, current


placements = st.one_of(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(lambda names: on(*names)),
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 5), min_size=1).map(lambda w: on(*w, **w)),
)


@given(
    before=placements,
    after=placements,
    replicas=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    scheduler=st.sampled_from([OLD, NEW, Scheduler(Version(1, 15))]),
    uid=st.sampled_from(["1", "2"]),
)
def test_no_stage_has_fewer_ready_replicas_than_before_or_after(before, after, replicas, scheduler, uid):
    refs = [WEB._replace(name=f"web-{number}") for number in range(len(replicas))]
    shifts = [shift(ref, before, after, count, scheduler, uid) for ref, count in zip(refs, replicas, strict=True)]
    assume(moves(shifts))
    way = Way(shifts, after, CLUSTERS, [scheduler])
    try:
        stages = way.stages(before)
    except NoWayError:
        assert len({*replicas}) > 1, "one template always has a way"
        return
    assert stages[-1].placement == after
    for one in shifts:
        least = min(total(one.before), total(one.after))
        ready, end = ready_at_each_stage(one, stages, scheduler)
        assert min(ready) >= least, (stages, ready)
        assert {n: c for n, c in end.items() if c} == {n: c for n, c in one.after.items() if c}
        assert stages[-1].replicas[one.ref] == one.replicas


@given(before=placements, after=placements, replicas=st.integers(1, 9), stage=st.integers(0, 5))
def test_move_interrupted_at_any_stage_continues_or_reverts_without_a_gap(before, after, replicas, stage):
    """After a kill, the next run knows where copies are, and from a mark where they were.

    It doesn't know their health.
    """
    whole = shift(WEB, before, after, replicas, NEW)
    assume(moves([whole]))
    stages = Way([whole], after, CLUSTERS, [NEW]).stages(before)
    reached = stages[: stage + 1]
    assume(reached[-1].until is not Until.WRITTEN)
    _, current = ready_at_each_stage(whole, reached, NEW)
    started = dict(current)
    if stage <= [one.until for one in stages].index(Until.HEALTHY):
        started = {n: min(c or 0, whole.before.get(n) or 0) for n, c in current.items()}
    for target in (before, after):
        will = scheduled(target, replicas, NEW, Current(current))
        again = Shift(WEB, current, will, replicas, reached[-1].replicas[WEB], "1", whole.before)
        way = Way([again], target, CLUSTERS, [NEW])
        then = way.stages(reached[-1].placement) if moves([again]) else way.ending()
        ready, end = ready_at_each_stage(again, then, NEW, started)
        assert min(ready) >= min(total(will), total(started), total(whole.before))
        assert {n: c for n, c in end.items() if c} == {n: c for n, c in will.items() if c}


def test_four_replicas_move_between_overlapping_pairs_of_clusters():
    before, after = even("a", "b"), even("b", "c")
    one = shift(WEB, before, after, 4, NEW)
    assert (one.leaving, one.coming, one.both) == ({"a"}, {"c"}, {"a": 2, "b": 2, "c": 2})
    found = Way([one], after, CLUSTERS, [NEW]).stages(before)
    assert [(str(s.until), s.replicas[WEB]) for s in found] == [
        ("scheduled", 4),
        ("scheduled", 6),
        ("healthy", 6),
        ("scheduled", 6),
        ("scheduled", 4),
        ("written", 4),
    ]
    assert found[2].placement["clusterAffinity"] == {"clusterNames": ["a", "b", "c"]}


def test_duplicated_template_runs_in_both_places_and_keeps_its_replicas():
    before, after = on("a"), on("b")
    listed = [shift(WEB, before, after, 2, NEW), Shift(CONFIG, {"a": None}, {"b": None})]
    both, last = Way(listed, after, CLUSTERS, [NEW]).stages(before)
    assert (both.until, both.placement, both.replicas) == (Until.HEALTHY, on("a", "b"), {WEB: 2})
    assert (last.until, last.placement) == (Until.WRITTEN, after)


def test_template_without_replicas_stays_in_its_clusters_until_all_copies_are_healthy():
    """The placements of the stages name every former cluster, also those without replicas."""
    before, after = even("a", "b"), even("b", "c")
    listed = [shift(WEB, before, after, 1, NEW), Shift(CONFIG, dict.fromkeys("ab"), dict.fromkeys("bc"))]
    found = Way(listed, after, CLUSTERS, [NEW]).stages(before)
    named = [set(s.placement["clusterAffinity"]["clusterNames"]) for s in found]
    healthy = [s.until for s in found].index(Until.HEALTHY)
    assert all({"a", "b"} <= one for one in named[: healthy + 1])
    assert all({"b", "c"} <= one for one in named[healthy:])


def test_taints_tolerated_by_either_placement_are_tolerated_in_all_stages():
    toleration = {"key": "site", "operator": "Exists"}
    after = {**on("b"), "clusterTolerations": [toleration]}
    tainted = [ClusterFacts("a"), ClusterFacts("b", taints=(Taint("site"),))]
    one = Shift(WEB, {"a": 2}, scheduled(after, 2, NEW, Current({"a": 2}), clusters=tainted), 2, 2)
    assert one.coming == {"b"}
    both, last = Way([one], after, tainted, [NEW]).stages(on("a"))
    assert scheduled(both.placement, 2, NEW, Current({"a": 2}), clusters=tainted) == {"a": 2, "b": 2}
    assert last.placement == after


@pytest.mark.parametrize(
    ("before", "after", "moving"),
    [
        (on("a"), on("a", "b"), False),
        (on("a", "b"), on("a"), False),
        (on("a"), on("b"), True),
        (on("a", "b", a=2, b=2), on("a", "b", a=3, b=1), True),
    ],
)
def test_move_needs_a_removed_and_an_added_cluster(before, after, moving):
    assert moves([shift(WEB, before, after, 4, NEW)]) is moving


def test_templates_without_common_weights_have_no_stages():
    """Web is at 9:1 and the API at 1:9: weights that keep web in its clusters would remove the API."""
    listed = [Shift(WEB, {"a": 9, "b": 1}, {"c": 10}, 10, 10), Shift(API, {"a": 1, "b": 9}, {"c": 10}, 10, 10)]
    with pytest.raises(NoWayError, match="no weights suit"):
        Way(listed, even("c"), CLUSTERS, [NEW]).stages(even("a", "b"))


def test_unknown_version_gets_stages_that_are_right_for_each_version():
    before, after = even("a", "b"), even("b", "c")
    one = replace(shift(WEB, before, after, 3, NEW), uid="")
    found = Way([one], after, CLUSTERS, [NEW, OLD]).stages(before)
    assert all(divides(stage.placement) for stage in found)
