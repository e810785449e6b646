"""The Clusters of a control plane as they are when a plan is made: a state knows them as they were last read."""

from __future__ import annotations

from flotilla.errors import FlotillaError
from flotilla.karmada.objects import CLUSTER_API
from flotilla.kube.connection import connect
from flotilla.kube.objects import Object
from flotilla.plan.rollouts import ROLLOUT_TYPE
from flotilla.plan.steps import Result
from flotilla.state.values import reveal

_ANSWER_SECONDS = 5.0


def with_clusters(result: Result) -> Result:
    """Return a plan that knows the Clusters as they are: a cordon since the last run decides who gets a copy.

    Where the control plane doesn't answer soon, or its kubeconfig isn't known (Pulumi's CLI masks secrets), the plan
    goes by what the state knows.
    """
    rollouts = [step.new for step in result.steps if step.type == ROLLOUT_TYPE and step.new]
    kubeconfigs = {known for state in rollouts if isinstance(known := reveal(state.inputs).get("kubeconfig"), str)}
    for kubeconfig in sorted(kubeconfigs)[:1]:
        result.clusters = {str(one["metadata"]["name"]): one for one in _clusters(kubeconfig)}
    return result


def _clusters(kubeconfig: str) -> list[Object]:
    try:
        connection = connect(kubeconfig, name="Karmada")
        connection.ready(doing="asking for its Clusters", timeout=_ANSWER_SECONDS)
        return connection.list(CLUSTER_API, "Cluster")
    except FlotillaError:
        return []
