"""Waves over four members on real Karmada: a good change, a bad one, its revert, and runs that are killed.

`WAVES_KILLS=50` sets the number of killed runs (by default a few), `WAVES_SEED` the seed of their moments.
"""

# ruff: noqa: F811, S311 - fixtures are arguments; seeds needn't be secret

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flotilla.cli.main import main
from flotilla.kube.objects import ObjectRef
from tests.contract import waves
from tests.contract.fleet import fleet_in, real_karmada
from tests.contract.main_job import members, verbs  # noqa: F401 - a fixture of the contract
from tests.contract.waves import DEPLOYMENT, PULLING, rollout_leftovers, web

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]

ALL = ("member1", "member2", "member3", "member4")
THREE = {"waves": [{"clusters": ["member1"]}, {"percent": 50}], "gate": {"healthyFor": "1s"}}
SETTINGS = ObjectRef("v1", "ConfigMap", "web-settings", "default")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    with fleet_in(tmp_path_factory.mktemp("waves"), members=4, karmada_bin=real_karmada()) as made:
        yield made
        assert main(["destroy", "-C", str(made.project), "--engine", "embedded", "--yes"]) == 0


def declare(fleet, image, rollout=THREE, **more):
    fleet.write(members(*ALL), [{**web(image, rollout=rollout, **more), "placement": {"clusters": list(ALL)}}])


def images(fleet):
    found = []
    for member in ALL:
        live = fleet.connection(member).find(DEPLOYMENT)
        found.append(live and live["spec"]["template"]["spec"]["containers"][0]["image"])
    return found


def begin(fleet):
    program = Path(sys.executable).parent / "flotilla"
    command = [program, "up", "-C", str(fleet.project), "--engine", "embedded", "--yes"]
    with (fleet.project / "up.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def test_a_good_change_goes_through_three_waves(fleet, verbs):
    declare(fleet, "nginx:1.27")
    verbs("up", "--yes")
    with waves.Sampler(fleet, lambda: images(fleet)) as sampler:
        declare(fleet, "nginx:1.28")
        verbs("up", "--yes")
    old, new = "nginx:1.27", "nginx:1.28"
    assert sampler.seen[0] == [old] * 4
    assert [new, old, old, old] in sampler.seen
    assert [new, new, old, old] in sampler.seen
    assert sampler.seen[-1] == [new] * 4
    reached = [[image == new for image in seen] for seen in sampler.seen]
    assert all(not seen[2] or (seen[0] and seen[1]) for seen in reached), sampler.seen
    assert rollout_leftovers(fleet) == []
    assert verbs("drift")["findings"] == []


def test_a_bad_image_stops_at_the_first_wave_and_is_reverted(fleet, verbs):
    declare(fleet, "nginx:1.28")
    verbs("up", "--yes")
    before = {member: waves.pods_of(fleet, member) for member in ALL}
    declare(fleet, "nginx:broken", timeout=15)
    said = verbs("up", "--yes", expect=1)
    assert "wave 1 of 3 (member1)" in said["error"]
    assert PULLING in said["error"]
    assert "member2, member3, member4 keep what they ran" in said["error"]
    assert images(fleet) == ["nginx:broken", *["nginx:1.28"] * 3]
    found = verbs("drift", expect=3)
    assert "held back" in json.dumps(found)
    declare(fleet, "nginx:broken", {**THREE, "onFailure": "revert"}, timeout=15)
    said = verbs("up", "--yes", expect=1)
    assert "taken back in member1" in said["error"], said
    assert PULLING in said["error"]
    assert images(fleet) == ["nginx:1.28"] * 4
    declare(fleet, "nginx:1.28")
    verbs("up", "--yes")
    assert {member: waves.pods_of(fleet, member) for member in ALL[1:]} == {m: before[m] for m in ALL[1:]}
    assert rollout_leftovers(fleet) == []


def test_the_next_run_completes_a_run_that_was_killed_at_any_moment(fleet, verbs, capsys):
    kills = int(os.environ.get("WAVES_KILLS", "4"))
    seed = int(os.environ.get("WAVES_SEED", "0")) or random.randrange(10**6)
    chance = random.Random(seed)
    declare(fleet, "nginx:1.28")
    verbs("up", "--yes")
    declare(fleet, "nginx:v0")
    began = time.monotonic()
    assert begin(fleet).wait() == 0, (fleet.project / "up.log").read_text()
    longest = time.monotonic() - began
    with capsys.disabled():
        sys.stdout.write(f"\nseed {seed}; a whole run takes {longest:.1f} s\n")
    image = "nginx:v0"
    for number in range(1, kills + 1):
        before, image = image, f"nginx:v{number}"
        declare(fleet, image)
        process = begin(fleet)
        seconds = chance.uniform(0, longest)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        between = images(fleet)
        if chance.random() < 1 / 4:  # as if a person killed the run to return to the image before
            image = before
            declare(fleet, image)
        began = time.monotonic()
        verbs("up", "--yes")
        where = f"seed {seed}, kill {number} after {seconds:.2f} s, at {between}"
        with capsys.disabled():
            sys.stdout.write(f"{where}; then {image} in {time.monotonic() - began:.1f} s\n")
        assert images(fleet) == [image] * 4, where
        assert rollout_leftovers(fleet) == [], where
    verbs("preview", "--refresh", "--expect-no-changes")
