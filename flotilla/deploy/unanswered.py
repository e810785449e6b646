"""Finds the clusters that did not answer in a run from its steps, in which the program asks each one for its UID."""

from __future__ import annotations

from flotilla.plan.steps import Result

IDENTITY_TYPE = "pulumi-python:dynamic/flotilla:ClusterIdentity"


def with_unanswered(result: Result, *, changing: bool) -> Result:
    """Return a result that names every cluster that did not answer, for either engine.

    A preview only reports that the cluster's state is unknown. For a run that changes the fleet it is a failure, even
    if nothing had to be changed there, since the run can't confirm that the declared objects exist.
    """
    for step in result.steps:
        if step.type != IDENTITY_TYPE or step.new is None:
            continue
        inputs = step.new.plain
        cluster, reason = str(inputs.get("cluster")), inputs.get("unanswered")
        if not isinstance(reason, str) or not reason or cluster in result.unknown:
            continue
        result.unknown[cluster] = reason
        if changing:
            result.failures.append(f"{reason}; nothing had to be changed there, and its objects were not checked")
    return result
