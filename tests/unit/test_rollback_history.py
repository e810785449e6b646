"""The history that a rollback reads: of this engine, of Pulumi's CLI, damaged, and after interrupted runs."""

# ruff: noqa: F811 - fixtures are arguments here

import gzip
import json

import pytest
import yaml

from flotilla.cli.main import main
from flotilla.state.crypto import PassphraseCrypter
from flotilla.state.values import Secret, from_state, reveal, to_state
from tests.unit.in_memory import (  # noqa: F401 - some are fixtures
    changed,
    deployment,
    entries,
    gunzipped,
    image,
    kept,
    kill,
    obj,
    run,
    stored,
    two,
    world,
)


def test_failed_update_is_rolled_back_and_never_a_target(run, world, stack, sections):
    run("up", "--yes")
    before = stored(world)
    more = {"name": "more", "image": "more:1", "placement": {"clusters": ["member1"]}, "after": ["nginx"]}
    stack(
        {**changed(sections, image="nginx:broken"), "workloads": [*changed(sections, image="n:2")["workloads"], more]}
    )
    world.broken = {"more"}
    run("up", "--yes", expect=1)
    assert image(world) == "n:2"
    assert "update 2 ended as failed" in run("rollback", "--to", "2", expect=2)["error"]["message"]
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert stored(world) == before


@pytest.mark.parametrize("note", [True, False])
def test_killed_update_is_rolled_back(run, world, stack, sections, kill, note):
    """A killed update has no entry, so the target is the newest entry. The CLI leaves no note of it."""
    run("up", "--yes")
    stack(changed(sections, image="nginx:2"))
    run("up", "--yes")
    before = stored(world)
    broken = changed(sections, image="nginx:broken")
    broken["workloads"].append(
        {"name": "more", "image": "m:1", "placement": {"clusters": ["member1"]}, "after": ["nginx"]}
    )
    stack(broken)
    kill("up", "more", note=note)
    assert image(world) == "nginx:broken"
    assert run("rollback", "--yes")["rollback"]["to"] == 2
    assert stored(world) == before


def test_killed_rollback_is_continued(run, world, two, kill):
    kill("rollback", "nginx")
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"


def test_failed_rollback_is_continued(run, world, two):
    world.broken = {"nginx"}
    run("rollback", "--yes", expect=1)
    assert run("rollback", "--yes")["rollback"]["to"] == 1
    assert image(world) == "nginx:1.27"


def by_the_cli(project, number):
    """Change an entry of the history to the form of Pulumi's CLI."""
    file = entries(project)[number - 1]
    entry = json.loads(file.read_text())
    config = yaml.safe_load((project / "stacks" / "Pulumi.dev.yaml").read_text())["config"]
    entry = {**entry, "config": config, "environment": {"exec.kind": "auto.local"}, "version": 0}
    entry.pop("flotilla")
    file.write_text(json.dumps(entry, indent=4))


def test_history_of_pulumis_cli_can_be_used(run, world, stack, sections, project):
    run("up", "--yes")
    by_the_cli(project, 1)
    stack(changed(sections, image="nginx:broken"))
    run("up", "--yes")
    by_the_cli(project, 2)
    run("rollback", "--yes")
    assert image(world) == "nginx:1.27"


def entry(text, **keys):
    """Return an entry with some keys changed; None removes a key."""
    changed_ = {**json.loads(text), **keys}
    return json.dumps({key: value for key, value in changed_.items() if value is not None}).encode()


def in_state(old, new):
    return lambda content: gzip.compress(gzip.decompress(content).replace(old, new))


LIST = {"flotilla:workloads": {"name": "x"}}
HISTORY, STATE = "history", "checkpoint"
DAMAGE = [
    (HISTORY, lambda text: text[:40], "entry 1 of the history can't be used"),
    (HISTORY, lambda _: b"[]", "is not an entry of a history"),
    (HISTORY, lambda _: b"\xff\xfe", "is not JSON, or cut off"),
    (HISTORY, lambda text: entry(text, endTime=10**30), "its end is not a valid time"),
    (HISTORY, lambda text: entry(text, flotilla=5), "is not an entry of a history"),
    (
        HISTORY,
        lambda text: entry(text, flotilla=None),
        "contains no stack file: an earlier version of Flotilla wrote it",
    ),
    (HISTORY, lambda text: entry(text, flotilla=None, config=LIST), "workloads is not a list of named entries"),
    (HISTORY, lambda text: entry(text, flotilla={"config": "v1:AA:BB"}), "has a configuration that can't be read"),
    (STATE, lambda _: None, "the state after update 1 is no longer kept"),
    (STATE, lambda content: content[:200], "update 1 can't be used"),
    (STATE, in_state(b"::flotilla::", b"::other::"), "is not of flotilla/dev"),
    (
        STATE,
        in_state(b"PropagatedWorkload::nginx", b"PropagatedWorkload::x"),
        "declared workload nginx but did not create",
    ),
]
"""Which file of the first update, what becomes of it, and what is said."""


def test_damaged_history_is_one_line_and_changes_nothing(run, world, two, project):
    whole, written = kept(project), stored(world)
    for form, ruined, said in DAMAGE:
        file = entries(project, form)[0]
        content = ruined(file.read_bytes())
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        before = kept(project)
        for words in ((), ("--to", "1")):
            error = run("rollback", "--yes", *words, expect=2)["error"]
            assert said in error["message"]
            assert "\n" not in error["message"]
            assert error["message"].endswith("nothing was changed")
            assert error["hint"]
        run("history")
        assert (kept(project), stored(world)) == (before, written)
        for one, content in whole.items():
            one.write_bytes(content)


def test_rollback_is_refused_without_a_history_and_with_the_cli(run, two, project, monkeypatch):
    refused = run("rollback", "--yes", engine="pulumi", expect=2)["error"]
    assert "Pulumi's CLI runs the program with the files as they are now" in refused["message"]
    assert "--engine embedded" in refused["hint"]
    for form in ("history", "checkpoint"):
        for file in entries(project, form):
            file.unlink()
    assert "the stack has no history" in run("rollback", "--yes", expect=2)["error"]["message"]
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    assert "the stack's backend is s3://states" in run("rollback", "--yes", expect=2)["error"]["message"]


def test_text_output_lists_the_updates_and_what_is_not_rolled_back(run, two, stack, sections, project, capsys):
    stack({**changed(sections, image="nginx:broken"), "policies": {"guards": {"maxClusters": 50}}})
    main(["rollback", "-C", str(project), "-s", "dev", "--preview-only", "--engine", "embedded"])
    said = capsys.readouterr().out
    assert "Plan to go back to update 1 of 20" in said
    assert "not rolled back: policies: as the stack file has it now" in said
    assert main(["history", "-C", str(project), "-s", "dev"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == ["update", "2", "1"]


def as_by_the_cli(project):
    """Mark a rollout's templates as one secret in every state, as Pulumi's CLI does if one of them is a Secret."""
    stack_ = project / ".flotilla" / "state" / ".pulumi" / "stacks" / "flotilla" / "dev.json"
    for file in (stack_, *entries(project, "checkpoint")):
        document = json.loads(gunzipped(file.read_bytes()))
        latest = document["checkpoint"]["latest"]
        crypter = PassphraseCrypter("unit", latest["secrets_providers"]["state"]["salt"])
        for resource in latest["resources"]:
            if resource["type"].endswith(":Rollout"):
                listed = reveal(from_state(resource["inputs"]["templates"], crypter.decrypt))
                resource["inputs"]["templates"] = to_state(Secret(listed), crypter.encrypt)
        text = json.dumps(document).encode()
        file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)


def test_workload_with_a_secret_is_planned_with_a_state_of_pulumis_cli(run, world, stack, sections, project):
    """Regression: references to its templates were taken for templates, which ended in a KeyError."""
    shop = {"name": "shop", "manifests": ["shop.yaml"], "placement": {"clusters": ["member1"]}}
    stack({**sections, "workloads": [shop]})
    objects = [deployment("web", "web:1"), obj("v1", "Secret", "mine", stringData={"key": "hunter2-of-then"})]
    (project / "shop.yaml").write_text(yaml.safe_dump_all(objects))
    run("up", "--yes")
    before = stored(world)
    (project / "shop.yaml").write_text(yaml.safe_dump_all([deployment("web", "web:2")]))
    run("up", "--yes")
    as_by_the_cli(project)
    run("rollback", "--yes")
    assert stored(world) == before
