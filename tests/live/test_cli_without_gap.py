"""Moves without a gap with Pulumi's own commands, on real Karmada: nobody's field is left over, and nothing differs."""

import pytest
import yaml

from flotilla.karmada.moving.marks import MOVING
from tests.contract.main_job import members
from tests.contract.objects import pods
from tests.contract.without_gap import ALL, DEPLOYMENT, NAME, POLICY, available, fewest, sampled
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def owners(fleet, ref):
    live = fleet.connection("karmada").get(ref)
    assert MOVING not in (live["metadata"].get("annotations") or {})
    entries = live["metadata"]["managedFields"]
    return {one["manager"] for one in entries if not one["manager"].startswith("karmada")}


def test_divided_replicas_move_and_plans_and_refreshes_find_nothing(fleet, pulumi):  # noqa: F811
    """What Pulumi's provider created is moved first, then what it has updated by server-side apply."""

    def on(*names):
        shop = pods(NAME, replicas=4)
        shop["spec"]["minReadySeconds"] = 3
        file = fleet.project / f"{NAME}.yaml"
        file.write_text(yaml.safe_dump(shop))
        placement = {"clusters": list(names), "replicas": "divided", "weights": dict.fromkeys(names, 1)}
        fleet.write(members(*ALL), [{"name": NAME, "manifests": [str(file)], "placement": placement, "timeout": 90}])

    on("member1", "member2")
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    before = {ref: owners(fleet, ref) for ref in (POLICY, DEPLOYMENT)}
    for names in (("member2", "member3"), ("member1", "member3")):
        on(*names)
        with sampled(fleet) as looks:
            pulumi("up", "--stack", "sandbox", "--yes")
        assert fewest(looks) >= 4
        assert available(fleet, {n: fleet.connection(n) for n in names}) == dict.fromkeys(names, 2)
        pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
        pulumi("refresh", "--stack", "sandbox", "--preview-only", "--expect-no-changes")
    assert owners(fleet, DEPLOYMENT) <= before[DEPLOYMENT]
    assert all(one.startswith("pulumi-kubernetes") for one in owners(fleet, POLICY))
    pulumi("destroy", "--stack", "sandbox", "--yes")
