"""Which update a rollback goes back to, and the stack file that it produces."""

from pathlib import Path

import pytest

from flotilla.deploy.earlier_sections import merged, with_files
from flotilla.deploy.going_back import NoWayBack, named, newest_good
from flotilla.state.history import BrokenOff, Update


def history(*entries):
    """Return updates from abbreviations: `good`, `failed`, `refresh`, `destroy`, `back1`, `back1-failed`, `broken`."""
    made = []
    for number, word in enumerate(entries, start=1):
        name, _, end = word.partition("-")
        kind = name if name in ("refresh", "destroy", "abandon") else "update"
        result = "failed" if "failed" in (name, end) else "succeeded"
        back_to = int(name.removeprefix("back")) if name.startswith("back") else 0
        problem = "is not JSON, or cut off" if word == "broken" else ""
        made.append(
            Update(number, Path(f"dev-{number}.history.json"), kind, 1, result, back_to=back_to, problem=problem)
        )
    return made


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        (["good", "good"], 1),
        (["good", "failed"], 1),
        (["good", "failed", "failed"], 1),
        (["good", "good", "refresh"], 1),
        (["good", "good", "failed", "refresh", "abandon"], 2),
        (["good", "good", "destroy"], 2),
        (["good", "good", "good", "back2"], 1),
        (["good", "good", "back1", "good"], 3),
        (["good", "good", "back1-failed"], 1),
        (["good", "good", "good", "back1-failed", "back1-failed"], 1),
        (["broken", "good", "good"], 2),
    ],
)
def test_default_is_the_newest_successful_update_before_the_current_one(entries, number):
    """A rollback after a rollback goes further back, never forward again. A failed rollback is continued."""
    assert newest_good(history(*entries), lambda *_: False).number == number


@pytest.mark.parametrize(
    ("entries", "back_to", "number"),
    [
        (["good"], 0, 1),
        (["good", "good"], 0, 2),
        (["good", "good"], 1, 1),
        (["good", "failed"], 0, 1),
        (["good", "good", "back1"], 0, 3),
        (["good", "destroy"], 0, 1),
    ],
)
def test_killed_update_has_no_entry_and_is_rolled_back(entries, back_to, number):
    """The target is then the newest entry, which is the update before the killed one.

    A killed rollback is continued.
    """
    assert newest_good(history(*entries), lambda *_: False, BrokenOff(back_to)).number == number


def test_update_with_the_same_declaration_as_the_current_one_is_skipped():
    """Regression: after a wrong declaration was applied twice, the rollback went back to the same wrong declaration."""
    found = newest_good(history("good", "good", "good"), lambda one, other: (one.number, other.number) == (2, 3))
    assert found.number == 1


def test_no_declarations_are_compared_after_a_destroy():
    assert newest_good(history("good", "destroy"), lambda *_: True).number == 1


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (["good"], "no update before update 1 succeeded with another declaration"),
        (["failed", "good"], "no update before update 2 succeeded"),
        (["good", "back1"], "no update before update 1 succeeded"),
        (["refresh"], "the stack has no history"),
        (["good", "broken"], "entry 2 of the history can't be used: dev-2.history.json is not JSON, or cut off"),
        (["good", "broken", "good"], "entry 2 of the history can't be used"),
    ],
)
def test_rollback_without_a_target_is_refused_in_one_line(entries, said):
    with pytest.raises(NoWayBack, match=said) as refused:
        newest_good(history(*entries), lambda *_: False)
    assert "nothing was changed" in refused.value.message
    assert refused.value.hint


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (7, "there is no update 7: the history has the updates 1 to 4"),
        (2, "update 2 ended as failed: its declaration was never carried out completely"),
        (3, "entry 3 is not an update but a refresh, which declares nothing"),
        (4, "entry 4 of the history can't be used"),
    ],
)
def test_update_number_that_is_no_valid_target_is_refused(number, said):
    with pytest.raises(NoWayBack, match=said):
        named(history("good", "failed", "refresh", "broken"), number)


def member(name, **keys):
    return {"name": name, "kubeconfig": f"{name}.yaml", **keys}


def back(then, now):
    values = {f"flotilla:{key}": value for key, value in now.items()}
    found = merged({**values, "other:key": 1}, then)
    assert found.values["other:key"] == 1
    sections = {key.removeprefix("flotilla:"): value for key, value in found.values.items() if key != "other:key"}
    return sections, found.notes


def test_karmada_and_the_plan_guards_keep_their_current_declaration():
    """A rollback must not downgrade Karmada, issue old certificates again, or weaken the guards."""
    then = {"controlPlane": {"version": "1.10.7"}, "workloads": [{"name": "a"}], "policies": {"disable": ["x"]}}
    now = {"controlPlane": {"version": "1.18.2"}, "workloads": [], "objects": [{"name": "o"}], "drift": {}}
    sections, notes = back(then, now)
    assert sections == {"controlPlane": {"version": "1.18.2"}, "workloads": [{"name": "a"}], "drift": {}}
    assert [note.partition(":")[0] for note in notes] == ["controlPlane", "policies", "drift"]


def test_access_to_a_member_is_current_and_its_cluster_properties_are_restored():
    then = member("m", kubeconfig="old.yaml", apiEndpoint="https://old", labels={"site": "one"}, protect=False)
    now = member(
        "m",
        kubeconfig={"path": "new.yaml", "context": "x"},
        proxyUrl="https://p",
        labels={},
        protect=True,
        maintenance={},
    )
    sections, notes = back({"members": [then, member("gone")]}, {"members": [now, member("joined")]})
    assert sections["members"] == [
        {
            "name": "m",
            "kubeconfig": {"path": "new.yaml", "context": "x"},
            "proxyUrl": "https://p",
            "labels": {"site": "one"},
            "protect": True,
            "maintenance": {},
        },
        member("gone"),
    ]
    assert notes == ("member m, kubeconfig, apiEndpoint, proxyUrl: as the stack file has it now",)


def test_current_agent_settings_are_kept_if_the_member_has_the_same_mode():
    agent = {"mode": "Pull", "agent": {"image": "new"}}
    same, _ = back({"members": [member("m", mode="Pull", agent={"image": "old"})]}, {"members": [member("m", **agent)]})
    assert same["members"][0]["agent"] == {"image": "new"}
    other, _ = back({"members": [member("m")]}, {"members": [member("m", **agent)]})
    assert other["members"] == [member("m")]


def test_member_renamed_since_gets_its_former_name_back():
    sections, _ = back({"members": [member("one")]}, {"members": [member("two", formerly="one")]})
    assert sections["members"] == [{"name": "one", "kubeconfig": "two.yaml", "formerly": "two"}]


def test_workload_renamed_since_keeps_its_new_name_and_its_dependents():
    """Its policies have the former name in the control plane; otherwise two components would declare them."""
    then = [{"name": "shop", "image": "shop:1"}, {"name": "web", "after": ["shop"]}]
    now = [{"name": "store", "formerly": "shop", "image": "shop:2"}, {"name": "web"}]
    sections, notes = back({"workloads": then}, {"workloads": now})
    assert sections["workloads"] == [
        {"name": "store", "formerly": "shop", "image": "shop:1"},
        {"name": "web", "after": ["store"]},
    ]
    assert notes == ("workload shop keeps its new name store",)


def test_files_charts_and_kustomizations_are_replaced_by_their_objects():
    then = {
        "workloads": [
            {"name": "a", "chart": {"path": "c"}, "ready": {}},
            {"name": "b", "kustomize": {"path": "k"}},
            {"name": "c", "manifests": ["m"], "policies": ["p"]},
            {"name": "d", "image": "d:1"},
        ]
    }
    found = with_files(then, lambda section, entry: None if "image" in entry else f"{section} {entry['name']}")
    assert found["workloads"] == [
        {"name": "a", "ready": {}, "manifests": ["workloads a"]},
        {"name": "b", "manifests": ["workloads b"]},
        {"name": "c", "manifests": ["workloads c"], "policies": ["workloads c"]},
        {"name": "d", "image": "d:1"},
    ]
