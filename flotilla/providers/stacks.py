"""References to other stacks (`pulumi:pulumi:StackReference`), whose outputs are read from the same backend."""

from __future__ import annotations

from collections.abc import Callable

from flotilla.errors import EngineError
from flotilla.providers import Live
from flotilla.state.checkpoint import ResourceState
from flotilla.state.diff import Diff
from flotilla.state.values import Properties, has_secret

STACK_REFERENCE = "pulumi:pulumi:StackReference"

ReadStack = Callable[[str], Properties]
"""Returns a stack's outputs by its full name (`organization/project/stack`), with secrets marked; raises EngineError if
the stack has none."""


def no_stacks(name: str) -> Properties:
    """Raise the error for a stack that does not exist; for runs without a backend."""
    raise EngineError(f"there is no stack {name} here")


class StackReferences:
    """The provider of stack references, which are read and not managed."""

    def __init__(self, read_stack: ReadStack) -> None:
        """Keep the function that reads a stack."""
        self._read_stack = read_stack

    def read(self, urn: str, resource_id: str, old: ResourceState | None) -> Live:
        """Return the stack's outputs, in the format of Pulumi's own provider."""
        outputs = self._read_stack(resource_id)
        secret = sorted(key for key, value in outputs.items() if has_secret(value))
        return Live(resource_id, {"name": resource_id, "outputs": outputs, "secretOutputNames": secret})

    def diff(self, old: ResourceState, inputs: Properties) -> Diff:
        """Return no difference: changes of another stack are no drift of this one."""
        return Diff()

    def check(self, urn: str, old: ResourceState | None, inputs: Properties) -> Properties:
        """Refuse to manage a stack reference."""
        raise self._unmanaged(urn)

    def dry_run(self, old: ResourceState | None, inputs: Properties) -> str:
        """Refuse to manage a stack reference."""
        raise self._unmanaged(old.urn if old else STACK_REFERENCE)

    def create(self, urn: str, inputs: Properties, *, timeout: float | None, adopt: str) -> Live:
        """Refuse to manage a stack reference."""
        raise self._unmanaged(urn)

    def update(self, old: ResourceState, inputs: Properties, *, timeout: float | None) -> Live:
        """Refuse to manage a stack reference."""
        raise self._unmanaged(old.urn)

    def delete(self, old: ResourceState, *, timeout: float | None) -> None:
        """Do nothing: there is nothing to delete."""

    def recover(self, urn: str, inputs: Properties, token: str) -> Live:
        """Find nothing: there is nothing to recover."""
        return Live("", {})

    def creation_token(self) -> str:
        """Return no token."""
        return ""

    @staticmethod
    def _unmanaged(urn: str) -> EngineError:
        return EngineError(f"{urn}: a stack reference is read, not managed")
