"""Tests of what the stack declares, with Pulumi's mocks: the whole stack file is checked, and no cluster is needed."""

from pathlib import Path

from flotilla_project.components.mocks import declared

PROJECT = Path(__file__).resolve().parents[1]


def test_each_member_joins_and_each_workload_is_placed() -> None:
    found = declared(PROJECT, "dev")
    assert found.names("flotilla:index:PushMember", "flotilla:index:PullMember")
    for workload in found.names("flotilla:index:PropagatedWorkload"):
        assert found.inputs(f"{workload}-policy")["spec"]["placement"]
