"""The record of a change in waves while it is in progress: how it is read, and its size."""

import base64
import json
import random

import pytest

from flotilla.errors import FlotillaError
from flotilla.karmada.waves import running
from flotilla.karmada.waves.record import Phase, record_of
from flotilla.kube.objects import ref_of
from tests.unit.planes import live
from tests.unit.wave_plane import RECORD, Change, hurry, written
from tests.unit.waves import kept, record


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    hurry(monkeypatch)


def test_record_of_another_version_is_read_without_unknown_fields():
    secret = kept(record())
    plain = {**json.loads(base64.b64decode(secret["data"]["record"])), "wave": 1}
    secret["data"]["record"] = base64.b64encode(json.dumps(plain).encode()).decode()
    assert record_of(secret) == record()


def noise(size):
    """Return a ConfigMap that hardly gets smaller by compression."""
    metadata = {"name": "noise", "namespace": "default"}
    content = base64.b64encode(random.Random(0).randbytes(size)).decode()  # noqa: S311 - nothing is secret
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"noise": content}}


def test_objects_that_a_change_leaves_unchanged_are_stored_once():
    """Regression: old and new objects were larger than a Secret can be, so taking back was refused."""
    change = Change(onFailure="revert")
    change.added = [written(live(noise(600_000)))]
    change.karmada.objects[ref_of(change.added[0])] = change.added[0]
    change.sick = {"m1"}
    with pytest.raises(running.Stopped, match="taken back in m1"):
        change.up("nginx:bad")
    secret = change.karmada.objects[RECORD]
    assert 600_000 < sum(len(base64.b64decode(one)) for one in secret["data"].values()) < 1 << 20
    change.sick = set()
    assert change.run()
    assert change.karmada.image() == "nginx:bad"


def test_change_that_is_too_large_to_be_stored_is_not_taken_back_and_says_so():
    """Regression: it ended with a traceback."""
    change = Change(onFailure="revert")
    change.added = [noise(1_000_000)]
    change.sick = {"m1"}
    with pytest.raises(running.Stopped, match=r"m1\) is not healthy.*can't be taken back.*too large.*m2, m3 keep"):
        change.up("nginx:bad")
    assert change.stored().phase is Phase.FAILED
    assert change.karmada.image() == "nginx:bad", "nothing was done"
    assert change.karmada.held_back() == ["m2", "m3"]


def test_current_objects_that_are_too_large_cannot_be_stored_for_taking_back():
    change = Change(onFailure="revert")
    change.added = [written(live(noise(1_000_000)))]
    change.karmada.objects[ref_of(change.added[0])] = change.added[0]
    with pytest.raises(FlotillaError, match="too large to be stored for a revert"):
        change.up("nginx:bad")
    change = Change(onFailure="stop")
    change.added = [written(live(noise(1_000_000)))]
    change.karmada.objects[ref_of(change.added[0])] = change.added[0]
    assert change.up("nginx:1.28")
