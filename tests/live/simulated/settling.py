"""A replacement for the wait for Karmada, for simulated pods, which run no Karmada."""

from flotilla.karmada.installing.host import unsettled
from flotilla.kube.connection import connect
from flotilla.sandbox.processes import wait_until


def settled(props):
    """Replace `installation._ready`: wait until the chart's job is complete; use the host's API server as Karmada's."""
    host = connect(props["host"], name="the host cluster")
    wait_until(lambda: not unsettled(host), seconds=60, doing="waiting for the chart's job")
    return {**props, "kubeconfig": props["host"]}
