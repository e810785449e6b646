"""A rule about requests and limits of containers."""

from collections.abc import Iterator

from flotilla.policy.model import Resource, Rule, StackView, value_at

from .pods import containers, name_of, with_pods

_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


def _judge(resource: Resource, _view: StackView) -> Iterator[str]:
    for container in containers(resource):
        missing = [
            f"{section}.{quantity}"
            for section, quantity in _NEEDED
            if not value_at(container, "resources", section, quantity)
        ]
        if missing:
            yield f"container {name_of(container)} has no {', '.join(missing)}"


REQUESTS_AND_LIMITS = Rule(
    "requests-and-limits",
    "Karmada divides replicas by the room that requests leave; without a limit one container can use all memory",
    "set resources.requests (cpu, memory) and resources.limits (memory)",
    with_pods,
    _judge,
)
