"""Bindings that Karmada never deletes, since their clusters were removed before their templates."""

import pytest

from components.withdrawal import WithdrawalProvider
from flotilla.errors import FlotillaError
from flotilla.karmada.keeping import bindings
from flotilla.karmada.keeping.bindings import finish_bindings
from flotilla.karmada.names import BINDING_FINALIZER, DEPENDENCIES_FINALIZER
from flotilla.karmada.status.snapshot import binding_ref
from flotilla.kube.objects import ref_of
from tests.unit.planes import binding, cluster, live, web
from tests.unit.test_keeping import Writable, merged

WEB = ref_of(web())
LEFT = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [DEPENDENCIES_FINALIZER], "resourceVersion": "1"}


def binding_without_template(clusters=(), **metadata):
    """Return the binding of a deleted template, with or without clusters."""
    return merged(binding(web(), list(clusters)), {"metadata": {**LEFT, **metadata}})


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """A fake clock that advances by each pause."""
    now = [0.0]

    def pause(seconds):
        now[0] += seconds
        return False

    monkeypatch.setattr(bindings, "pause", pause)
    monkeypatch.setattr(bindings.time, "monotonic", lambda: now[0])
    return now


def test_binding_without_clusters_is_finished_after_some_seconds(clock):
    """Karmada 1.10.7 never finishes such a binding. Regression: `release --all` left them behind."""
    plane = Writable(binding_without_template())
    assert finish_bindings(plane, [WEB]) == []
    assert binding_ref(WEB) not in plane.objects
    assert clock[0] > bindings._PATIENCE_SECONDS


@pytest.mark.parametrize(
    "waiting",
    [
        binding_without_template(["m1"]),
        binding_without_template(deletionTimestamp=None),
        binding_without_template(finalizers=[DEPENDENCIES_FINALIZER, BINDING_FINALIZER]),
        binding_without_template(finalizers=[DEPENDENCIES_FINALIZER, "example.com/theirs"]),
    ],
    ids=["it has clusters", "nobody has deleted it", "its Works come first", "somebody else keeps it"],
)
def test_binding_that_karmada_is_still_deleting_is_waited_for_and_named(waiting, clock):
    plane = Writable(waiting)
    (said,) = finish_bindings(plane, [WEB], 10)
    assert said.startswith("ResourceBinding default/web-deployment is still there: its finalizer karmada.io/binding-")
    assert plane.objects[binding_ref(WEB)] == waiting
    assert clock[0] > 10


@pytest.mark.parametrize(
    "others",
    [
        [live(web()), binding_without_template()],
        [binding_without_template(finalizers=[BINDING_FINALIZER])],
        [binding_without_template(finalizers=[])],
        [],
    ],
)
def test_no_wait_where_the_template_exists_or_the_binding_has_no_finalizer(others, clock):
    plane = Writable(*others)
    before = dict(plane.objects)
    assert finish_bindings(plane, [WEB]) == []
    assert (plane.objects, clock[0]) == (before, 0)


def test_interrupted_run_reports_the_interruption(monkeypatch):
    monkeypatch.setattr(bindings, "pause", lambda _seconds: True)
    with pytest.raises(FlotillaError, match="interrupted while waiting for Karmada to finish bindings"):
        finish_bindings(Writable(binding_without_template()), [WEB])


@pytest.mark.parametrize("keeps", [False, True])
def test_deletion_of_a_workload_finishes_its_bindings(monkeypatch, keeps):
    """Regression: a binding kept the workload's namespace from being deleted."""
    plane = Writable(cluster("m1"), binding_without_template())
    monkeypatch.setattr("components.withdrawal.connect", lambda *_, **__: plane)
    monkeypatch.setattr("flotilla.karmada.keeping.members.reach", lambda *_: Writable())
    props = {"workload": "web", "templates": [list(WEB)], "kubeconfig": "", "timeout": 60, "keeps": keeps}
    WithdrawalProvider().delete("web", props)
    assert binding_ref(WEB) not in plane.objects
