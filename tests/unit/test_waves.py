"""Changes in waves: what is released when, what stops them, how they go back."""

import pytest

from components import hold, rollout
from flotilla.errors import FlotillaError, NotDone
from flotilla.karmada.waves import holding, running
from flotilla.karmada.waves.record import ABORTED, APPROVED, PAUSED, Phase
from flotilla.karmada.waves.standing import awaited
from flotilla.karmada.waves.subject import Subject
from flotilla.kube.connection import ApiError
from flotilla.kube.objects import ref_of
from tests.unit.ailing import Member, pod
from tests.unit.planes import cluster, live, web
from tests.unit.wave_plane import NAMES, POLICY, RECORD, STACK, Change, Karmada, Reader, hurry, without_repeats


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    hurry(monkeypatch)


def test_each_wave_is_released_when_the_one_before_is_healthy_and_nothing_is_left():
    change = Change()
    assert change.up("nginx:1.28")
    assert change.karmada.suspensions[0] == ["m1", "m2", "m3"], "nobody gets a change before its wave"
    assert without_repeats(change.karmada.suspensions) == [["m1", "m2", "m3"], ["m2", "m3"], ["m3"], []]
    assert "suspension" not in change.karmada.objects[POLICY]["spec"]
    assert change.stored() is None
    assert not change.run(), "nothing is under way"


def test_a_wave_that_fails_stops_and_the_next_run_goes_on_from_there():
    change = Change()
    change.sick = {"m2"}
    with pytest.raises(running.Stopped, match=r"wave 2 of 3 \(m2\) is not healthy.*m3 keeps what it ran"):
        change.up("nginx:1.28")
    assert change.karmada.held_back() == ["m3"]
    stored = change.stored()
    assert (stored.phase, stored.passed, stored.held_back) == (Phase.FAILED, ("m1",), ("m3",))
    change.sick, change.looks = set(), []
    assert change.run()
    assert ["m1"] not in change.looks, "wave 1 has passed"
    assert change.karmada.held_back() == []


def test_another_declaration_begins_again_with_the_first_wave():
    change = Change()
    change.sick = {"m2"}
    with pytest.raises(running.Stopped):
        change.up("nginx:bad")
    change.karmada.suspensions.clear()
    change.sick, change.looks = set(), []
    change.up("nginx:1.29")
    assert change.karmada.suspensions[0] == ["m1", "m2", "m3"]
    assert change.looks[0] == ["m1"]


def test_what_ran_before_passes_no_gate_where_nothing_else_was_sent():
    change = Change(gate={"checks": [{"command": ["false"]}]})
    change.strategy["gate"] = {}
    change.sick = {"m1"}
    with pytest.raises(running.Stopped):
        change.up("nginx:bad")
    change.sick, change.looks = set(), []
    change.strategy["waves"][2]["approve"] = ["before"]
    assert change.up("nginx:1.27"), "no approval is asked for where nothing changes"
    assert change.looks
    assert all(look == ["m1"] for look in change.looks), "only m1 has had the change"


def test_a_failed_wave_goes_back_and_the_same_declaration_goes_through_the_waves_again():
    change = Change(onFailure="revert")
    change.sick = {"m2"}
    with pytest.raises(running.Stopped, match="taken back in m1, m2, and every cluster runs what it ran before"):
        change.up("nginx:bad")
    assert change.karmada.image() == "nginx:1.27"
    assert change.karmada.held_back() == []
    assert change.stored().phase is Phase.REVERTED
    change.sick = set()
    assert change.run()
    assert change.karmada.image() == "nginx:bad", "what is declared is written again"
    assert change.stored() is None


def test_pods_say_why_before_the_change_is_taken_back():
    """Afterwards they are gone."""
    change = Change(onFailure="revert")
    change.sick = {"m1"}
    change.karmada.below = lambda _path, *, name: Member(name, live(web()), pod(image=change.karmada.image()))
    with pytest.raises(running.Stopped, match=r"m1: pod web-1: web: ImagePullBackOff: .*; taken back in m1"):
        change.up("nginx:broken")
    assert "ImagePullBackOff" in change.stored().why


def test_what_a_change_has_added_is_deleted_when_it_is_taken_back():
    change = Change(onFailure="revert")
    added = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "new", "namespace": "default"}, "data": {}}
    change.sick = {"m1"}
    change.added = [added]
    with pytest.raises(running.Stopped, match="taken back"):
        change.up("nginx:bad")
    assert ref_of(added) not in change.karmada.objects
    change.sick = set()
    assert change.run()
    assert ref_of(added) in change.karmada.objects


def lamps(change, number):
    """Let a change bring a kind, and so many objects of it; members serve it once it is defined."""
    kind = {"apiVersion": "example.com/v1", "kind": "Lamp"}
    name = {"metadata": {"name": "lamps.example.com"}, "spec": {"group": "example.com"}}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", **name}
    objects = [
        {**kind, "metadata": {"name": f"lamp-{each}", "namespace": "default"}, "spec": {}} for each in range(number)
    ]
    change.added = [definition, *objects]
    change.strategy["kinds"] = [kind]
    change.karmada.custom = {("example.com/v1", "Lamp")}
    enabled = [{"groupVersion": "example.com/v1", "resources": [{"kind": "Lamp"}]}]
    for one in NAMES:
        change.karmada.objects[ref_of(cluster(one))]["status"]["apiEnablements"] = enabled
    return [ref_of(one) for one in change.added]


@pytest.mark.parametrize("number", [1, 3])
def test_objects_of_a_kind_that_comes_with_the_change_are_nothing_to_be_kept(number):
    """Reading them failed, for their kind isn't served yet: no change with a new kind could begin."""
    change = Change()
    refs = lamps(change, number)
    assert change.up("nginx:1.28")
    assert set(refs) <= change.karmada.objects.keys()


@pytest.mark.parametrize("number", [1, 3])
def test_a_kind_that_came_with_a_change_goes_with_it_and_comes_again(number):
    change = Change(onFailure="revert")
    refs = lamps(change, number)
    change.sick = {"m1"}
    with pytest.raises(running.Stopped, match="taken back in m1"):
        change.up("nginx:bad")
    assert not set(refs) & change.karmada.objects.keys()
    change.sick = set()
    assert change.run()
    assert set(refs) <= change.karmada.objects.keys()


def test_a_first_deployment_has_nothing_to_go_back_to():
    change = Change(onFailure="revert")
    template = change.karmada.objects.pop(ref_of(change.template))
    change.sick = {"m1"}
    holding.hold(Reader(change.karmada), Subject.of(change.props))
    change.karmada.objects[ref_of(change.template)] = template
    with pytest.raises(running.Stopped, match=r"wave 1 of 3 \(m1\).*m2, m3 keep what they ran"):
        change.run()
    assert change.stored().phase is Phase.FAILED


@pytest.mark.parametrize("refused", range(1, 9))
def test_a_run_that_breaks_off_at_any_write_is_completed_by_the_next(refused):
    change = Change()
    change.karmada.refusing = refused
    try:
        change.up("nginx:1.28")
    except ApiError:
        change.karmada.refusing = 0
        if change.stored() is None or change.stored().phase is Phase.NOT_BEGUN:
            holding.hold(Reader(change.karmada), Subject.of(change.props))
            change.karmada.apply(change.template, field_manager=STACK, force=True)
        change.run()
    assert change.karmada.image() == "nginx:1.28"
    assert change.karmada.held_back() == []
    assert change.stored() is None


def test_a_change_that_is_written_again_and_breaks_off_is_written_by_the_next_run():
    """The next run took the change for written, and passed the waves with what ran before."""
    change = Change(onFailure="revert")
    change.sick = {"m1"}
    with pytest.raises(running.Stopped, match="taken back"):
        change.up("nginx:bad")
    change.sick = set()
    change.karmada.apply = killed
    with pytest.raises(ApiError):
        change.run()
    del change.karmada.apply
    assert change.run()
    assert change.karmada.image() == "nginx:bad"


def killed(*_args, **_options):
    raise ApiError("karmada: it was killed here", status=500)


def wish(change, annotation, value):
    metadata = change.karmada.objects[RECORD]["metadata"]
    metadata.setdefault("annotations", {})[annotation] = value


def test_a_wave_waits_for_a_person_and_the_next_run_goes_on():
    change = Change()
    change.strategy["waves"][0]["approve"] = ["after"]
    change.strategy["waves"][1]["approve"] = ["before"]
    with pytest.raises(running.Stopped, match=r"wave 1 of 3 \(m1\) waits for approval.*m2, m3 keep") as stopped:
        change.up("nginx:1.28")
    assert "flotilla rollout approve web" in stopped.value.hint
    assert (change.stored().phase, awaited(change.stored())) == (Phase.APPROVAL, "after-1")
    wish(change, APPROVED, "after-1")
    with pytest.raises(running.Stopped, match=r"wave 2 of 3 \(m2\) waits for approval before it begins"):
        change.run()
    assert awaited(change.stored()) == "before-2"
    wish(change, APPROVED, "after-1,before-2")
    assert change.run()


def test_a_pause_keeps_further_clusters_from_the_change_until_it_is_resumed():
    change = Change()
    change.strategy["waves"][0]["approve"] = ["after"]
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    wish(change, APPROVED, "after-1")
    wish(change, PAUSED, "ann at noon")
    with pytest.raises(running.Stopped, match=r"wave 2 of 3 \(m2\) is paused \(ann at noon\)") as stopped:
        change.run()
    assert "flotilla rollout resume web" in stopped.value.hint
    assert change.karmada.held_back() == ["m2", "m3"]
    del change.karmada.objects[RECORD]["metadata"]["annotations"][PAUSED]
    assert change.run()


def test_an_abort_takes_the_change_back_whatever_happens_on_failure():
    change = Change()
    change.strategy["waves"][1]["approve"] = ["before"]
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    wish(change, ABORTED, "ann at noon")
    with pytest.raises(running.Stopped, match="aborted by ann at noon; taken back in m1"):
        change.run()
    assert change.karmada.image() == "nginx:1.27"
    assert not change.stored().aborted, "it is done"


def test_so_many_clusters_of_a_wave_may_be_unhealthy():
    change = Change(waves=[{"clusters": ["m1", "m2"]}], gate={"maxUnavailable": "50%"})
    change.sick = {"m2"}
    assert change.up("nginx:1.28")
    change = Change(waves=[{"clusters": ["m1", "m2"]}], gate={"maxUnavailable": 1})
    change.sick = {"m1", "m2"}
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")


def test_clusters_of_one_wave_get_the_change_one_after_the_other():
    change = Change(waves=[{"clusters": ["m1", "m2"], "maxConcurrent": 1}])
    change.up("nginx:1.28")
    assert without_repeats(change.looks) == [["m1"], ["m1", "m2"], ["m1", "m2", "m3"]]


def test_a_gates_checks_are_asked_until_time_is_over():
    change = Change(gate={"checks": [{"command": ["sh", "-c", "echo no $FLOTILLA_CLUSTERS; exit 1"]}]})
    with pytest.raises(running.Stopped, match="doesn't pass its gate: command sh: exit code 1: no m1"):
        change.up("nginx:1.28")
    assert change.karmada.held_back() == ["m2", "m3"]


def test_a_cluster_that_becomes_unhealthy_within_the_time_of_the_gate_fails_it():
    change = Change(gate={"healthySeconds": 0.2})
    calm = change.look_for

    def look_for(inputs):
        look = calm(inputs)

        def looking():
            change.sick = {"m1"} if len(change.looks) > 4 else set()
            return look()

        return looking

    change.look_for = look_for
    with pytest.raises(running.Stopped, match=r"wave 1 of 3 \(m1\)"):
        change.up("nginx:1.28")


def test_karmada_that_holds_nothing_back_is_an_error_before_anything_changes(monkeypatch):
    change = Change()
    monkeypatch.setattr(Karmada, "held_back", lambda _self: [])
    change.declare("nginx:1.28")
    with pytest.raises(FlotillaError, match="Karmada doesn't hold back m1, m2, m3"):
        holding.hold(Reader(change.karmada), Subject.of(change.props))


def test_policies_of_a_new_workload_come_later():
    change = Change()
    del change.karmada.objects[POLICY]
    assert not holding.hold(Reader(change.karmada), Subject.of(change.props))
    assert change.stored() is None


def test_definitions_go_ahead_where_a_cluster_does_not_serve_their_kinds_yet():
    change = Change()
    kinds = {"kinds": [{"apiVersion": "example.com/v1", "kind": "Lamp"}]}
    change.strategy |= kinds
    subject = Subject.of(change.props)
    clusters = [holding.ClusterFacts("m1", served=frozenset({("example.com/v1", "Lamp")}))]
    assert not holding.definitions_go_ahead(clusters, {"m1"}, subject)
    clusters.append(holding.ClusterFacts("m2", served=frozenset()))
    assert holding.definitions_go_ahead(clusters, {"m1", "m2"}, subject)
    assert not holding.definitions_go_ahead(clusters, {"m1"}, subject), "m2 isn't chosen"


def test_a_cluster_that_leaves_in_the_middle_is_waited_for_no_more():
    change = Change()
    change.sick = {"m2"}
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    del change.karmada.objects[ref_of(cluster("m2"))]
    change.sick, change.looks = set(), []
    assert change.run()
    assert without_repeats(change.karmada.suspensions)[-2:] == [["m3"], []]


def test_a_cluster_that_joins_in_the_middle_has_the_change_already_and_its_wave_waits_for_its_health():
    change = Change(waves=[{"clusters": ["m1"]}, {"percent": 75}])
    change.sick = {"m1"}
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    change.karmada.objects[ref_of(cluster("m4"))] = cluster("m4")
    change.sick = set()
    change.run()
    assert without_repeats(change.karmada.suspensions)[-2:] == [["m2", "m3"], []], "m4 was never held back"
    assert change.record.waves[-1] == (3, ("m4",))
    assert "m4" in change.record.passed


def provider_of(change, monkeypatch):
    monkeypatch.setattr(hold, "shared_reader", lambda _kubeconfig: Reader(change.karmada))
    return hold.HoldProvider(), {**change.props, "kubeconfig": "karmada"}


def test_clusters_are_held_back_again_for_another_content_and_for_nothing_else(monkeypatch):
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    first = provider.create(props).outs
    for same in ({"timeout": 9}, {"kubeconfig": "renewed"}, {"rollout": {**props["rollout"], "onFailure": "revert"}}):
        assert not provider.diff("web", first, {**props, **same}).changes
    change.declare("nginx:1.28")
    assert provider.diff("web", first, {**props, **change.props}).changes
    assert provider.diff("web", first, {**props, "after": "another attempt"}).changes
    second = provider.update("web", first, {**props, **change.props}).outs
    assert second["attempt"] != first["attempt"], "the rollout follows"
    assert rollout.RolloutProvider().diff("web", {**props, "attempt": "1"}, {**props, "attempt": "2"}).changes
    other = {**props, "rollout": {"waves": [{"percent": 100}]}}
    assert not rollout.RolloutProvider().diff("web", props, other).changes


def test_a_workload_without_waves_any_more_is_held_back_no_longer(monkeypatch):
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    provider.create(props)
    assert change.karmada.held_back()
    provider.delete("web", props)
    assert change.karmada.held_back() == []
    assert change.stored() is None
    provider.delete("web", props)


def test_why_a_change_stopped_is_said_although_the_control_plane_answers_no_more(monkeypatch):
    """A last look at the clusters failed, and its error was all that was said."""
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    provider.create(props)
    reader = Reader(change.karmada)
    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: reader)
    monkeypatch.setattr(reader, "read_for", killed)

    class Stopping:
        def __init__(self, *_args):
            self.record = change.stored()

        def run(self):
            raise running.Stopped("wave 1 of 3 (m1) is not healthy", hint="correct the declaration")

    monkeypatch.setattr(rollout, "Waves", Stopping)
    props = {**props, "members": {name: {"id": ""} for name in NAMES}}
    olds = {**props, "scheduled": {"Deployment default/web": {"m1": 2}}}
    with pytest.raises(NotDone, match=r"workload web: wave 1 of 3 \(m1\) is not healthy") as stopped:
        rollout.RolloutProvider().update("web", olds, props)
    assert stopped.value.hint == "correct the declaration"
    assert (stopped.value.outs["settled"], stopped.value.outs["scheduled"]) == (False, olds["scheduled"])


def test_a_refresh_finds_a_change_under_way_unfinished_and_asks_nothing_of_what_is_held_back(monkeypatch):
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    provider.create(props)
    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: Reader(change.karmada))
    read = rollout.RolloutProvider().read("web", {**props, "members": {name: {"id": ""} for name in NAMES}})
    assert read.outs["settled"] is False
    provider.delete("web", props)
