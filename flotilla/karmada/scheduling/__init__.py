"""Which clusters Karmada chooses for a template and how it divides replicas: one model of all supported versions.

The plan, the rollout, validation, the policies, drift and the sandbox's stand-in all call `decide`. It answers
`Certain` or `Depends`, and never guesses. Nothing here does I/O.
"""

from flotilla.karmada.scheduling.affinity import every_affinity, groups_with, labels_match, matches
from flotilla.karmada.scheduling.assignment import by_room, divides
from flotilla.karmada.scheduling.capacity import UNBOUNDED
from flotilla.karmada.scheduling.decision import (
    Certain,
    Decision,
    Depends,
    Why,
    agreed,
    allows,
    decide,
    first_of,
)
from flotilla.karmada.scheduling.demand import (
    Demand,
    demand_of,
    demand_of_binding,
    replicas_field,
    replicas_of,
    requirements_of,
)
from flotilla.karmada.scheduling.division import divide, ties_descend
from flotilla.karmada.scheduling.facts import (
    Capacity,
    ClusterFacts,
    Current,
    Scheduler,
    Shares,
    Taint,
    facts_of,
)
from flotilla.karmada.scheduling.fitting import Bar, Choice, Refusal, choose
from flotilla.karmada.scheduling.taints import tolerates, untolerated

__all__ = [
    "UNBOUNDED",
    "Bar",
    "Capacity",
    "Certain",
    "Choice",
    "ClusterFacts",
    "Current",
    "Decision",
    "Demand",
    "Depends",
    "Refusal",
    "Scheduler",
    "Shares",
    "Taint",
    "Why",
    "agreed",
    "allows",
    "by_room",
    "choose",
    "decide",
    "demand_of",
    "demand_of_binding",
    "divide",
    "divides",
    "every_affinity",
    "facts_of",
    "first_of",
    "groups_with",
    "labels_match",
    "matches",
    "replicas_field",
    "replicas_of",
    "requirements_of",
    "ties_descend",
    "tolerates",
    "untolerated",
]
