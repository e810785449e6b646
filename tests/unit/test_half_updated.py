"""A run that is killed within an update of a dynamic resource: the next one updates it again.

Reading such a resource often shows nothing (a wait, something that is done in several clusters), and with the
declaration of before its inputs are those of the state: without a mark the run would pass it over.
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
    """Leave a stack as a run does that is killed within the update of one of its two resources."""

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
    """Write a state as it is to be found."""
    with embedded.changing():
        opened, _ = embedded._open()
        embedded.files.write(Encoder(opened.crypter, embedded.files.qualified).encode(snapshot))


def steps(result):
    return {step.name: step.op for step in result.steps if step.name in ("one", "two")}


@pytest.mark.parametrize("value", ["1", "2"])
def test_it_is_updated_again_with_the_same_declaration_and_with_another(killed, value):
    program = killed()
    assert steps(program(value).preview()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program(value).up()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program(value).up()) == {"one": Op.SAME, "two": Op.SAME}
    assert program(value).snapshot().pending == ()


def test_a_refresh_keeps_that_it_has_to_be_updated(killed, tmp_path):
    program = killed()
    (tmp_path / "files" / "one.json").write_text(json.dumps({"value": "found"}))
    program().refresh()
    assert steps(program().preview()) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program().up(refresh_first=True)) == {"one": Op.UPDATE, "two": Op.SAME}
    assert steps(program().preview()) == {"one": Op.SAME, "two": Op.SAME}


def test_a_deletion_that_broke_off_marks_nothing(killed):
    program = killed("deleting")
    assert steps(program().preview()) == {"one": Op.SAME, "two": Op.SAME}


def test_what_reading_shows_in_full_is_not_marked(killed, monkeypatch):
    """An object of Kubernetes is read: the difference from what is declared says what is to be done."""
    snapshot = killed()().snapshot()
    plain = replace(snapshot.pending[0].resource, type="kubernetes:core/v1:ConfigMap")
    monkeypatch.setattr("flotilla.engine.recovery._reread", lambda _registry, resource: resource)
    settled, _ = settle(Snapshot((plain,), (Operation(plain, "updating"),)))
    assert settled.resources == (plain,)
