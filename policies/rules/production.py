"""Rules that apply to production only."""

from collections.abc import Iterator

from flotilla.policy.model import MEMBER_TYPES, Resource, Rule, StackView

_TYPES = ("flotilla:index:KarmadaControlPlane", *MEMBER_TYPES)


def _components(view: StackView) -> list[Resource]:
    return [resource for resource in view.resources if resource.type in _TYPES]


def _unprotected(resource: Resource, _view: StackView) -> Iterator[str]:
    if not resource.protect:
        yield "can be deleted by a mistaken `destroy`, or by a line that is missing in the stack file"


PROTECTED = Rule(
    "protected",
    "If a control plane or a member is deleted, all its workloads are deleted with it",
    "set `protect: true` in the stack file",
    _components,
    _unprotected,
    production_only=True,
)
