"""Small fleets and what runs in them, for tests of simulations."""

from flotilla.karmada.scheduling import Capacity, ClusterFacts, Current, Scheduler
from flotilla.karmada.simulation.failover import Failover
from flotilla.karmada.simulation.outcome import outcomes
from flotilla.karmada.simulation.world import Assumed, Placed, World
from flotilla.karmada.versions import Version
from tests.unit.schedules import template

NEW, OLD = Version(1, 18), Version(1, 10)
EVICTS = {
    "spec": {
        "addOnConditions": [{"conditionType": "Ready", "operator": "NotIn", "statusValues": ["True"]}],
        "taints": [{"key": "cluster.karmada.io/not-ready", "effect": "NoExecute"}],
    }
}
"""A ClusterTaintPolicy by which a cluster that isn't ready loses what it has."""


def clusters(*names, free=None, **more):
    room = Capacity({"pods": str(free + 10), "cpu": "100"}, {"pods": "10"}) if free is not None else None
    return tuple(ClusterFacts(name, capacity=room, **more) for name in names)


def placed(placement, shares, *, replicas=4, group="", workload="web", cpu=None, obj=None, **more):
    obj = obj or template(replicas, uid="1", cpu=cpu)
    return Placed(workload, f"{obj['kind']} default/web", obj, placement, Current(shares, group, placement), **more)


def world(*templates, among=None, version=NEW, gate=False, policies=(), no_execute=None, **more):
    return World(
        among or clusters("a", "b", "c"),
        templates,
        Scheduler(version),
        (Failover.of(version, gate=gate, no_execute=no_execute),),
        taint_policies=policies,
        **more,
    )


def outcome(given, **assumed):
    (found,) = outcomes(given, Assumed(**{**assumed, "without": frozenset(assumed.get("without", ()))}))
    return found
