"""References to other stacks (`pulumi:pulumi:StackReference`): their outputs, read from the same backend."""

from __future__ import annotations

from collections.abc import Callable

from flotilla.errors import EngineError
from flotilla.providers import Live
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Diff
from flotilla.state.values import Properties, has_secret

STACK_REFERENCE = "pulumi:pulumi:StackReference"

ReadStack = Callable[[str], Properties]
"""Returns a stack's outputs by its full name (`organization/project/stack`), secrets sealed; EngineError if none."""


def no_stacks(name: str) -> Properties:
    """Know of no other stack."""
    raise EngineError(f"there is no stack {name} here")


class StackReferences:
    """Reads; there is nothing to manage."""

    def __init__(self, read_stack: ReadStack) -> None:
        """Take how a stack is read."""
        self._read_stack = read_stack

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Return the stack's outputs, in the form in which Pulumi's own provider gives them."""
        outputs = self._read_stack(resource_id)
        secret = sorted(key for key, value in outputs.items() if has_secret(value))
        return Live(resource_id, {"name": resource_id, "outputs": outputs, "secretOutputNames": secret})

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """See no difference: what another stack has is no drift of this one."""
        return Diff()

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Refuse to manage one."""
        raise self._unmanaged(urn)

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Refuse to manage one."""
        raise self._unmanaged(old.urn if old else STACK_REFERENCE)

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Refuse to manage one."""
        raise self._unmanaged(urn)

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Refuse to manage one."""
        raise self._unmanaged(old.urn)

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Have nothing to delete."""

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Have nothing to recover."""
        return Live("", {})

    def creation_token(self) -> str:
        """Return none."""
        return ""

    @staticmethod
    def _unmanaged(urn: str) -> EngineError:
        return EngineError(f"{urn}: a stack reference is read, not managed")
