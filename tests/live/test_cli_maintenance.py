"""Maintenance with Pulumi's own commands, on real Karmada: `pulumi up` carries out a declared drain."""

import pytest

from flotilla.karmada.cordons import CORDON, is_cordoned
from tests.contract.karmada import eventually
from tests.contract.main_job import members
from tests.contract.maintenance import BOTH, CLUSTER, NGINX, WORKLOADS, replicas_by_member
from tests.live.test_cli_main_job import pulumi  # noqa: F401 - a fixture

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]
TAINT = {"key": CORDON.key, "effect": CORDON.effect}


def test_pulumi_up_carries_out_a_declared_drain_and_its_end(fleet, pulumi):  # noqa: F811
    karmada = fleet.connection("karmada")
    nginx = WORKLOADS[:1]
    fleet.write(members(*BOTH), nginx)
    pulumi("stack", "init", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    drained = [*members("member1"), *members("member2", maintenance={"mode": "drain", "reason": "new kernel"})]
    fleet.write(drained, nginx)
    assert "replace" not in pulumi("preview", "--stack", "sandbox")
    pulumi("up", "--stack", "sandbox", "--yes")
    eventually(lambda: replicas_by_member(fleet, NGINX) == {"member1": 2})
    assert is_cordoned(karmada.get(CLUSTER))
    # Karmada's controllers do this when a member fails and recovers; then they own the whole list of taints.
    karmada.patch(CLUSTER, {"spec": {"taints": [TAINT, {"key": "somebody", "effect": "NoSchedule"}]}})
    karmada.patch(CLUSTER, {"spec": {"taints": [TAINT]}})
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    fleet.write(members(*BOTH), nginx)
    pulumi("up", "--stack", "sandbox", "--yes")
    assert not is_cordoned(karmada.get(CLUSTER))
    eventually(lambda: replicas_by_member(fleet, NGINX) == {"member1": 1, "member2": 1})
    pulumi("preview", "--stack", "sandbox", "--expect-no-changes")
    pulumi("destroy", "--stack", "sandbox", "--yes")
