"""Declared values that an API server does not store: the zero values of most fields of the built-in kinds.

Examples are `hostNetwork: false` and `initialDelaySeconds: 0` (omitempty in Go), and charts write many of them. Other
zero values are stored (`automountServiceAccountToken: false`), so another program may remove them. The server's
answer to Flotilla's own write shows which values it stored.
"""

from __future__ import annotations

from typing import Any

from flotilla.kube.merge_keys import object_differences
from flotilla.kube.objects import Difference, Object


def is_zero(value: Any) -> bool:
    """Return whether a value is a zero value, which an API server may leave out."""
    return value is False or (isinstance(value, int | float) and value == 0) or value == ""


def left_out(declared: Object, kept: Object) -> frozenset[str]:
    """Return the paths, as texts, of an object's zero values that the server did not store.

    Args:
        declared: the object as written.
        kept: the server's answer to the write; empty if it isn't known.
    """
    if not kept:
        return frozenset()
    found = object_differences(declared, kept)
    return frozenset(one.text for one in found if one.found is None and is_zero(one.wanted))


def is_left_out(difference: Difference, places: frozenset[str]) -> bool:
    """Return whether a difference is only a zero value that the server never stored."""
    return difference.found is None and difference.text in places
