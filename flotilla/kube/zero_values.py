"""Declared values that an API server doesn't keep: it stores no zero values of most of its own kinds' fields.

`hostNetwork: false` and `initialDelaySeconds: 0` are such (omitempty in Go), and charts write many. What the server has
answered to our own write tells them from a `false` that it keeps (`automountServiceAccountToken`), and that somebody
takes away.
"""

from __future__ import annotations

from typing import Any

from flotilla.kube.merge_keys import object_differences
from flotilla.kube.objects import Difference, Object


def is_zero(value: Any) -> bool:
    """Tell whether a value is one that an API server may leave out."""
    return value is False or (isinstance(value, int | float) and value == 0) or value == ""


def left_out(declared: Object, kept: Object) -> frozenset[str]:
    """Return where an object has values that the server didn't keep, by their path as text.

    Args:
        declared: as it was written.
        kept: the server's answer to it; empty where it isn't known.
    """
    if not kept:
        return frozenset()
    found = object_differences(declared, kept)
    return frozenset(one.text for one in found if one.found is None and is_zero(one.wanted))


def is_left_out(difference: Difference, places: frozenset[str]) -> bool:
    """Tell whether a difference is that the server still doesn't have what it never kept."""
    return difference.found is None and difference.text in places
