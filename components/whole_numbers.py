"""Whole numbers for dynamic providers.

Pulumi's protocol only has floating-point numbers: under its CLI, 2 replicas become 2.0, at any depth of inputs and
outputs. Karmada's objects have whole numbers, and their readers accept nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pulumi.dynamic import ResourceProvider

from flotilla.kube.objects import whole

_METHODS = ("check", "diff", "create", "read", "update", "delete")
_Provider = TypeVar("_Provider", bound=type[ResourceProvider])


def whole_numbers(provider: _Provider) -> _Provider:
    """Decorate a dynamic provider so that its methods get whole numbers as integers."""
    for name in _METHODS:
        if name in vars(provider):
            setattr(provider, name, _whole_given(vars(provider)[name]))
    return provider


def _whole_given(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def called(self: ResourceProvider, *arguments: Any) -> Any:
        return method(self, *(whole(argument) for argument in arguments))

    return called
