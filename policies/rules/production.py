"""What production needs on top."""

from collections.abc import Iterator

from flotilla.policy.model import MEMBER_TYPES, Resource, Rule, StackView

_TYPES = ("flotilla:index:KarmadaControlPlane", *MEMBER_TYPES)


def _components(view: StackView) -> list[Resource]:
    return [resource for resource in view.resources if resource.type in _TYPES]


def _unprotected(resource: Resource, _view: StackView) -> Iterator[str]:
    if not resource.protect:
        yield "can be deleted by one mistaken `destroy`, or by a line that is missing from the stack file"


PROTECTED = Rule(
    "protected",
    "A control plane or a member that goes takes all its workloads with it",
    "set `protect: true` in the stack file",
    _components,
    _unprotected,
    production_only=True,
)
