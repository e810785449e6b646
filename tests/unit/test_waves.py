"""Changes in waves: when each wave is released, what stops a change, and how it is taken back."""

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
def no_pauses(monkeypatch):
    hurry(monkeypatch)


def test_each_wave_is_released_when_the_one_before_is_healthy_and_no_suspension_is_left():
    change = Change()
    assert change.up("nginx:1.28")
    assert change.karmada.suspensions[0] == ["m1", "m2", "m3"], "nobody gets a change before its wave"
    assert without_repeats(change.karmada.suspensions) == [["m1", "m2", "m3"], ["m2", "m3"], ["m3"], []]
    assert "suspension" not in change.karmada.objects[POLICY]["spec"]
    assert change.stored() is None
    assert not change.run(), "nothing is under way"


def test_failed_wave_stops_and_the_next_run_continues_there():
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


def test_another_declaration_starts_again_with_the_first_wave():
    change = Change()
    change.sick = {"m2"}
    with pytest.raises(running.Stopped):
        change.up("nginx:bad")
    change.karmada.suspensions.clear()
    change.sick, change.looks = set(), []
    change.up("nginx:1.29")
    assert change.karmada.suspensions[0] == ["m1", "m2", "m3"]
    assert change.looks[0] == ["m1"]


def test_former_content_passes_no_gate_if_nothing_else_was_sent():
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


def test_failed_wave_is_taken_back_and_the_same_declaration_goes_through_the_waves_again():
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


def test_reasons_of_pods_are_read_before_the_change_is_taken_back():
    """Afterwards the pods no longer exist."""
    change = Change(onFailure="revert")
    change.sick = {"m1"}
    change.karmada.below = lambda _path, *, name: Member(name, live(web()), pod(image=change.karmada.image()))
    with pytest.raises(running.Stopped, match=r"m1: pod web-1: web: ImagePullBackOff: .*; taken back in m1"):
        change.up("nginx:broken")
    assert "ImagePullBackOff" in change.stored().why


def test_objects_added_by_a_change_are_deleted_when_it_is_taken_back():
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
    """Let a change add a kind and a number of its objects; members serve the kind once it is defined."""
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
def test_objects_of_a_kind_added_by_the_change_are_not_stored(number):
    """Regression: reading them failed, as their kind isn't served yet, so no change with a new kind could begin."""
    change = Change()
    refs = lamps(change, number)
    assert change.up("nginx:1.28")
    assert set(refs) <= change.karmada.objects.keys()


@pytest.mark.parametrize("number", [1, 3])
def test_kind_added_by_a_change_is_removed_with_it_and_added_again(number):
    change = Change(onFailure="revert")
    refs = lamps(change, number)
    change.sick = {"m1"}
    with pytest.raises(running.Stopped, match="taken back in m1"):
        change.up("nginx:bad")
    assert not set(refs) & change.karmada.objects.keys()
    change.sick = set()
    assert change.run()
    assert set(refs) <= change.karmada.objects.keys()


def test_first_deployment_cannot_be_taken_back():
    change = Change(onFailure="revert")
    template = change.karmada.objects.pop(ref_of(change.template))
    change.sick = {"m1"}
    holding.hold(Reader(change.karmada), Subject.of(change.props))
    change.karmada.objects[ref_of(change.template)] = template
    with pytest.raises(running.Stopped, match=r"wave 1 of 3 \(m1\).*m2, m3 keep what they ran"):
        change.run()
    assert change.stored().phase is Phase.FAILED


@pytest.mark.parametrize("refused", range(1, 9))
def test_run_interrupted_at_any_write_is_completed_by_the_next(refused):
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


def test_change_that_is_written_again_and_interrupted_is_written_by_the_next_run():
    """Regression: the next run took the change for written, and the former content passed the waves."""
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


def annotate_record(change, annotation, value):
    metadata = change.karmada.objects[RECORD]["metadata"]
    metadata.setdefault("annotations", {})[annotation] = value


def test_wave_waits_for_approval_and_the_next_run_continues():
    change = Change()
    change.strategy["waves"][0]["approve"] = ["after"]
    change.strategy["waves"][1]["approve"] = ["before"]
    with pytest.raises(running.Stopped, match=r"wave 1 of 3 \(m1\) waits for approval.*m2, m3 keep") as stopped:
        change.up("nginx:1.28")
    assert "flotilla rollout approve web" in stopped.value.hint
    assert (change.stored().phase, awaited(change.stored())) == (Phase.APPROVAL, "after-1")
    annotate_record(change, APPROVED, "after-1")
    with pytest.raises(running.Stopped, match=r"wave 2 of 3 \(m2\) waits for approval before it begins"):
        change.run()
    assert awaited(change.stored()) == "before-2"
    annotate_record(change, APPROVED, "after-1,before-2")
    assert change.run()


def test_pause_keeps_the_change_from_further_clusters_until_it_is_resumed():
    change = Change()
    change.strategy["waves"][0]["approve"] = ["after"]
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    annotate_record(change, APPROVED, "after-1")
    annotate_record(change, PAUSED, "ann at noon")
    with pytest.raises(running.Stopped, match=r"wave 2 of 3 \(m2\) is paused \(ann at noon\)") as stopped:
        change.run()
    assert "flotilla rollout resume web" in stopped.value.hint
    assert change.karmada.held_back() == ["m2", "m3"]
    del change.karmada.objects[RECORD]["metadata"]["annotations"][PAUSED]
    assert change.run()


def test_abort_takes_the_change_back_whatever_the_failure_action_is():
    change = Change()
    change.strategy["waves"][1]["approve"] = ["before"]
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    annotate_record(change, ABORTED, "ann at noon")
    with pytest.raises(running.Stopped, match="aborted by ann at noon; taken back in m1"):
        change.run()
    assert change.karmada.image() == "nginx:1.27"
    assert not change.stored().aborted, "it is done"


def test_maximum_of_unhealthy_clusters_in_a_wave():
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


def test_checks_of_a_gate_are_repeated_until_the_timeout():
    change = Change(gate={"checks": [{"command": ["sh", "-c", "echo no $FLOTILLA_CLUSTERS; exit 1"]}]})
    change.seconds = 1  # a shell has to start in this time, also on a busy machine
    with pytest.raises(running.Stopped, match="doesn't pass its gate: command sh: exit code 1: no m1"):
        change.up("nginx:1.28")
    assert change.karmada.held_back() == ["m2", "m3"]


def test_cluster_that_becomes_unhealthy_during_the_gates_time_fails_it():
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


def test_karmada_without_suspension_is_an_error_before_any_change(monkeypatch):
    change = Change()
    monkeypatch.setattr(Karmada, "held_back", lambda _self: [])
    change.declare("nginx:1.28")
    with pytest.raises(FlotillaError, match="Karmada doesn't hold back m1, m2, m3"):
        holding.hold(Reader(change.karmada), Subject.of(change.props))


def test_policies_of_a_new_workload_are_created_later():
    change = Change()
    del change.karmada.objects[POLICY]
    assert not holding.hold(Reader(change.karmada), Subject.of(change.props))
    assert change.stored() is None


def test_definitions_are_sent_before_the_waves_if_a_cluster_does_not_serve_their_kinds():
    change = Change()
    kinds = {"kinds": [{"apiVersion": "example.com/v1", "kind": "Lamp"}]}
    change.strategy |= kinds
    subject = Subject.of(change.props)
    clusters = [holding.ClusterFacts("m1", served=frozenset({("example.com/v1", "Lamp")}))]
    assert not holding.definitions_go_ahead(clusters, {"m1"}, subject)
    clusters.append(holding.ClusterFacts("m2", served=frozenset()))
    assert holding.definitions_go_ahead(clusters, {"m1", "m2"}, subject)
    assert not holding.definitions_go_ahead(clusters, {"m1"}, subject), "m2 isn't chosen"


def test_cluster_that_leaves_during_a_change_is_no_longer_waited_for():
    change = Change()
    change.sick = {"m2"}
    with pytest.raises(running.Stopped):
        change.up("nginx:1.28")
    del change.karmada.objects[ref_of(cluster("m2"))]
    change.sick, change.looks = set(), []
    assert change.run()
    assert without_repeats(change.karmada.suspensions)[-2:] == [["m3"], []]


def test_cluster_that_joins_during_a_change_has_it_already_and_its_wave_waits_for_its_health():
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


def test_clusters_are_held_back_again_only_for_other_content(monkeypatch):
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


def test_workload_whose_waves_were_removed_is_no_longer_held_back(monkeypatch):
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    provider.create(props)
    assert change.karmada.held_back()
    provider.delete("web", props)
    assert change.karmada.held_back() == []
    assert change.stored() is None
    provider.delete("web", props)


def test_reason_of_a_stop_is_reported_although_the_control_plane_no_longer_answers(monkeypatch):
    """Regression: a last look at the clusters failed, and only its error was reported."""
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


def test_refresh_finds_a_change_in_progress_and_reads_no_held_back_clusters(monkeypatch):
    change = Change()
    provider, props = provider_of(change, monkeypatch)
    provider.create(props)
    monkeypatch.setattr(rollout, "shared_reader", lambda _kubeconfig: Reader(change.karmada))
    read = rollout.RolloutProvider().read("web", {**props, "members": {name: {"id": ""} for name in NAMES}})
    assert read.outs["settled"] is False
    provider.delete("web", props)
