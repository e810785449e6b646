"""Clusters that did not answer in a run, read from its steps: the program asks each one who it is."""

from __future__ import annotations

from flotilla.plan.steps import Result

IDENTITY_TYPE = "pulumi-python:dynamic/flotilla:ClusterIdentity"


def with_unanswered(result: Result, *, changing: bool) -> Result:
    """Return a result that names every cluster that did not answer, whichever engine ran.

    A preview only says that nothing is known of it. A run that changes the fleet has failed for it, even if nothing was
    to be done there: nobody has seen that what was declared is there.
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
            result.failures.append(f"{reason}; nothing had to be changed there, and its objects were not looked at")
    return result
