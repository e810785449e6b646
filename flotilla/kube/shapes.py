"""What is known of the lists within a value: whether their elements have keys, and which fields these are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[Any, ...]
"""The values of an element's key fields, in the order of the list's keys."""

_UNFILLED = (None, "", "Cg==")
"""Nothing, or an empty line in Base64, which stands for it where a value is required."""


@dataclass(frozen=True)
class Shape:
    """The lists within a map, a list or a plain value; what isn't known of stays out."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    """Of a map: its fields."""
    each: Shape | None = None
    """Of a list: its elements; of a map without `fields`: its values."""
    keys: tuple[str, ...] = ()
    """Of a list: the fields of an element that are its key."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Of a list with keys: what a key field is where an element leaves it out."""
    as_set: bool = False
    """Of a list: elements are there or not, in any order."""
    filled: bool = False
    """Of a plain value: others fill it where it is left empty."""

    def of(self, name: str) -> Shape:
        """Return the shape of a map's field."""
        return self.fields.get(name) or self.elements

    @property
    def elements(self) -> Shape:
        """The shape of a list's elements."""
        return self.each or PLAIN

    def unfilled(self, value: Any) -> bool:
        """Tell whether a value is one that others are to fill, and nobody has."""
        return self.filled and value in _UNFILLED

    def key_of(self, element: Any) -> Key | None:
        """Return an element's key; None where it has none."""
        if not isinstance(element, dict):
            return None
        key = tuple(element.get(name, self.defaults.get(name)) for name in self.keys)
        plain = all(isinstance(part, str | int | float) for part in key)
        return tuple(_whole(part) for part in key) if plain else None

    def by_key(self, elements: list[Any]) -> dict[Key, Any] | None:
        """Return a list's elements by their keys; None where it has no keys, or one is missing or there twice."""
        if not self.keys:
            return None
        found = {self.key_of(element): element for element in elements}
        if None in found or len(found) != len(elements):
            return None
        return {key: element for key, element in found.items() if key is not None}


def _whole(part: Any) -> Any:
    """Return a whole number as such: Pulumi's protocol makes 80.0 of 80."""
    return int(part) if isinstance(part, float) and part.is_integer() else part


PLAIN = Shape()
"""Nothing is known: lists are compared as a whole."""
