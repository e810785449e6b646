"""`flotilla rollout` for changes in waves, and the output of drift and status while a wave waits for approval."""

# ruff: noqa: F811 - fixtures of other contracts are arguments here

import json

import pytest

from flotilla.cli.main import main
from tests.contract.main_job import shared_stack, verbs  # noqa: F401 - fixtures of the contract
from tests.contract.waves import BOTH, ONE_BY_ONE, images, members, rollout_leftovers, run, web  # noqa: F401

ASKING = {"waves": [{"clusters": ["member1"]}, {"clusters": ["member2"], "approve": "before"}]}


@pytest.fixture
def rollout(fleet, capsys):
    """Run a verb of `flotilla rollout`, and return the document that it prints."""

    def do(verb, *options, expect=0):
        code = main(["rollout", verb, "-C", str(fleet.project), "--json", *options])
        captured = capsys.readouterr()
        assert code == expect, captured.err or captured.out
        return json.loads(captured.out)

    return do


def test_people_approve_and_abort_waves_and_drift_lists_what_is_held_back(fleet, run, rollout):
    run.write(members(*BOTH), [web("nginx:1.27", rollout=ONE_BY_ONE)])
    run("up", "--yes")
    assert rollout("status")["rollouts"] == []

    # The change waits for approval before wave 2.
    run.write(members(*BOTH), [web("nginx:1.28", rollout=ASKING, timeout=12)])
    assert "waits for approval" in run("up", "--yes", expect=1)["error"]
    (found,) = rollout("status")["rollouts"]
    assert (found["workload"], found["reached"], found["held"], found["waitsFor"]) == (
        "web",
        ["member1"],
        ["member2"],
        "before-2",
    )
    looked = run("drift")
    assert looked["findings"] == []
    assert [one["text"] for one in looked["held"]] == [
        "workload web: held back by the rollout: member2 (wave 2 of 2 waits for approval)"
    ]
    reasons = {copy["cluster"]: copy["reason"] for copy in run("status")["workloads"]}
    assert reasons == {"member1": "", "member2": "held back by the rollout (wave 2)"}

    # Somebody approves wave 2, and the next run continues.
    assert "wave 2 is approved" in rollout("approve", "web", "--change", found["change"])["outcome"]
    run("up", "--yes")
    assert images(fleet) == dict.fromkeys(BOTH, "nginx:1.28")
    assert rollout_leftovers(fleet) == []
    assert rollout("status")["rollouts"] == []

    # Somebody aborts another change: it is reverted, which drift reports.
    run.write(members(*BOTH), [web("nginx:1.29", rollout=ASKING, timeout=12)])
    run("up", "--yes", expect=1)
    assert images(fleet) == {"member1": "nginx:1.29", "member2": "nginx:1.28"}
    assert "is taken back in member1" in rollout("abort", "web")["outcome"]
    assert "aborted by" in run("up", "--yes", expect=1)["error"]
    assert images(fleet) == dict.fromkeys(BOTH, "nginx:1.28")
    looked = run("drift", expect=3)
    assert {one["rule"] for one in looked["findings"]} == {"object-changed", "taken-back"}
    assert {one["mend"] for one in looked["findings"]} == {"hand"}
    run.write(members(*BOTH), [web("nginx:1.28", rollout=ONE_BY_ONE)])
    run("up", "--yes")
    assert run("drift")["findings"] == []
    assert rollout_leftovers(fleet) == []
