"""Stored renderings of charts, and random values in them."""

# ruff: noqa: F811 - fixtures are arguments here

import json

import pytest

from flotilla.stack.sources import WorkloadChart
from flotilla.workloads.sources import cache
from tests.unit.charts import RANDOM, declared, helm, names, place  # noqa: F401 - fixtures


def test_random_values_are_kept_and_reported_without_the_values(declared, place):
    (place / "charts" / "web" / "templates" / "c.yaml").write_text(RANDOM)
    objects, notices = declared()
    password = objects[-1]["stringData"]["password"]
    assert len(password) == 32
    again, said = declared()
    assert again == objects
    assert said == notices
    assert "differs at each rendering (random, or by time) in Secret login: stringData.password:" in notices[0]
    assert password not in notices[0]
    other, _ = declared({"values": {"replicas": 9}})
    assert other[-1]["stringData"]["password"] != password, "another input makes others, as the notice says"


def test_warnings_of_helm_are_shown(declared):
    _, notices = declared({"values": {"warn": "cannot overwrite table with non table for web.x"}})
    assert notices == ["workload shop: helm: warning: cannot overwrite table with non table for web.x"]


def test_rendering_that_others_may_have_written_is_not_used(declared, helm, place):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    document = json.loads(kept.read_text())
    document["objects"][-1]["metadata"]["name"] = "planted"
    kept.write_text(json.dumps(document))
    kept.chmod(0o644)  # the mode of files in a checkout
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


@pytest.mark.parametrize("part", [{"objects": 3}, {"objects": [3]}, {"origins": []}, {"notices": None}, {"format": 0}])
def test_damaged_rendering_is_rendered_again(declared, place, part):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), **part}))
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', "\0"])
def test_truncated_rendering_is_rendered_again(declared, place, text):
    declared()
    (kept,) = (place / ".flotilla" / "rendered").iterdir()
    kept.write_text(text)
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


def test_stored_renderings_are_bounded_and_the_oldest_is_removed_first(declared, place, monkeypatch):
    monkeypatch.setattr(cache, "MOST_ENTRIES", 3)
    for replicas in range(5):
        declared({"values": {"replicas": replicas}})
    kept = list((place / ".flotilla" / "rendered").iterdir())
    assert sorted(replicas_in(file) for file in kept) == [2, 3, 4]
    size = max(file.stat().st_size for file in kept)
    monkeypatch.setattr(cache, "MOST_BYTES", size + 10)
    declared({"values": {"replicas": 9}})
    assert [replicas_in(file) for file in (place / ".flotilla" / "rendered").iterdir()] == [9]


def replicas_in(file):
    return json.loads(file.read_text())["objects"][1]["spec"]["replicas"]


def test_chart_works_where_no_rendering_can_be_stored(declared, place):
    (place / ".flotilla").write_text("a file in the way")
    objects, _ = declared()
    assert names(objects)[-1] == "Service shop-web"


def test_repr_of_the_model_has_no_values():
    chart = WorkloadChart.model_validate({"path": "a", "values": {"password": "hunter2"}})
    assert "hunter2" not in repr(chart)
