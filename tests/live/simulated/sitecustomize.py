"""For Python processes of Pulumi's CLI, which can't be patched from a test: pods that are simulated run no Karmada.

What there is to wait for is the chart's own job; the host's API server stands for Karmada's.
"""

from components import installation
from flotilla.karmada.installing.host import unsettled
from flotilla.kube.connection import connect
from flotilla.sandbox.processes import wait_until


def settled(props):
    """Answer for `installation._ready`: wait until the chart's job is done."""
    host = connect(props["host"], name="the host cluster")
    wait_until(lambda: not unsettled(host), seconds=60, doing="waiting for the chart's job")
    return {**props, "kubeconfig": props["host"]}


installation._ready = settled
