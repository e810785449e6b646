"""A run that is killed during the update of a dynamic resource: the next run repeats the update.

Reading such a resource often shows no difference (for example a wait). If the old declaration is applied again, its
inputs equal those of the state: without a mark in the state, the run would skip the resource.
"""

import json
from dataclasses import replace

import pytest

from flotilla.engine.recovery import settle
from flotilla.plan.steps import Op
from flotilla.state.checkpoint import Encoder, Operation, Snapshot
from tests.unit.test_failures import declare, stack  # noqa: F401 - a fixture


@pytest.fixture
def killed(stack, tmp_path):  # noqa: F811
    """Create the state that remains when a run is killed during the update of one of two resources."""

    def program(value="1"):
        def declared(folder):
            declare(folder, "one", value)
            declare(folder, "two")

        return stack(declared)

    def kill(type_="updating"):
        program().up()
        snapshot = program().snapshot()
        one = next(r for r in snapshot.resources if r.name == "one")
        broken = Snapshot(snapshot.resources, (Operation(one, type_),))
        write_state(program(), broken)
        return program

    return kill


def write_state(embedded, snapshot):
    """Write the given state."""
    with embedded.changing():
        opened, _ = embedded._open()
        embedded.files.write(Encoder(opened.crypter, embedded.files.qualified).encode(snapshot))


def steps(result):
    return {step.name: step.op for step in result.steps if step.name in ("one", "two")}


@pytest.mark.parametrize("value", ["1", "2"])
def test_interrupted_update_is_repeated_with_the_same_and_with_another_declaration(killed, value):
    program = killed()
    assert steps(program(value).preview()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program(value).up()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program(value).up()) == {"one": Op.SAME, "two": Op.SAME}
    assert program(value).snapshot().pending == ()


def test_refresh_keeps_the_mark_of_an_interrupted_update(killed, tmp_path):
    program = killed()
    (tmp_path / "files" / "one.json").write_text(json.dumps({"value": "found"}))
    program().refresh()
    assert steps(program().preview()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program().up(refresh_first=True)) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program().preview()) == {"one": Op.SAME, "two": Op.SAME}


def test_interrupted_deletion_leaves_no_mark(killed):
    program = killed("deleting")
    assert steps(program().preview()) == {"one": Op.SAME, "two": Op.SAME}


def test_resource_that_can_be_read_completely_is_not_marked(killed, monkeypatch):
    """A Kubernetes object is read: its difference from the declaration shows what to do."""
    snapshot = killed()().snapshot()
    plain = replace(snapshot.pending[0].resource, type="kubernetes:core/v1:ConfigMap")
    monkeypatch.setattr("flotilla.engine.recovery._reread", lambda _registry, resource: resource)
    settled, _ = settle(Snapshot((plain,), (Operation(plain, "updating"),)))
    assert settled.resources == (plain,)
