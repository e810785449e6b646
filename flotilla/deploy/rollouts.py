"""The changes in waves of a stack's workloads, and whether a running `up` of the stack continues them."""

from __future__ import annotations

from flotilla.deploy.interface import Setting
from flotilla.deploy.stack_file import fleet_of
from flotilla.deploy.state import locks_of
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection
from flotilla.observe.rollouts import RolloutStatus, rollouts_in
from flotilla.state.locks import Holder


def rollouts_of(setting: Setting, control_plane: Connection) -> tuple[list[RolloutStatus], int]:
    """Return the changes of a stack's workloads, and the number of changes of workloads outside its stack file.

    Raises:
        ConfigError: the stack file can't be read.
        ClusterError: the control plane did not answer, or refused.
    """
    places = {(workload.namespace, workload.name) for workload in fleet_of(setting, files=False).workloads}
    found = rollouts_in(control_plane)
    own = [one for one in found if (one.namespace, one.record.workload) in places]
    return own, len(found) - len(own)


def who_acts(setting: Setting | None) -> str:
    """Return a text that says which run carries out a person's request: the current `up`, or the next one.

    Args:
        setting: the stack's setting; None if no stack is known.
    """
    try:
        locks = locks_of(setting) if setting is not None else None
    except FlotillaError:
        locks = None  # a backend whose locks aren't files
    if locks is None:
        return "the running `up` does it, or the next one"
    running = next((lock for lock in locks if lock.holder is not Holder.GONE), None)
    if running is None:
        return "no `up` is running: the next one does it"
    return f"the running `up` does it ({running.text})"
