"""What stands for Karmada's readiness where pods are simulated: they run no Karmada."""

from flotilla.karmada.installing.host import unsettled
from flotilla.kube.connection import connect
from flotilla.sandbox.processes import wait_until


def settled(props):
    """Answer for `installation._ready`: wait until the chart's job is done; the host's API server is Karmada's."""
    host = connect(props["host"], name="the host cluster")
    wait_until(lambda: not unsettled(host), seconds=60, doing="waiting for the chart's job")
    return {**props, "kubeconfig": props["host"]}
