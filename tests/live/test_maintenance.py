"""Maintenance on real Karmada, and the WorkloadRebalancer, which only real Karmada has."""

import pytest

from tests.contract.karmada import eventually
from tests.contract.maintenance import *  # noqa: F403 - the cases are the contract's
from tests.contract.maintenance import BOTH, NGINX, WORKLOADS, members, replicas_by_member

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]


def test_a_rebalancer_moves_replicas_divided_by_capacity_back_after_a_drain(fleet, run):
    """By capacity, Karmada divides only missing replicas, so after a drain none returns without a rebalancer."""
    placement = {"clusters": list(BOTH), "replicas": "divided", "dynamicWeight": "AvailableReplicas"}
    run.write(members(*BOTH), [{**WORKLOADS[0], "replicas": 4, "placement": placement}])
    run("up", "--yes")
    eventually(lambda: set(replicas_by_member(fleet, NGINX)) == set(BOTH))
    run("drain", "member2", "--yes")
    eventually(lambda: replicas_by_member(fleet, NGINX) == {"member1": 4})
    (said,) = run("uncordon", "member2", "--rebalance", "--yes")["maintenance"]
    assert said["away"] == ["nginx"]
    eventually(
        lambda: (
            set(replicas_by_member(fleet, NGINX)) == set(BOTH) and sum(replicas_by_member(fleet, NGINX).values()) == 4
        )
    )
    rebalancers = fleet.connection("karmada").list("apps.karmada.io/v1alpha1", "WorkloadRebalancer")
    assert rebalancers == []
