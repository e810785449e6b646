"""The shape of a value: for each list in it, whether the elements have merge keys, and which fields these are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[Any, ...]
"""The values of an element's key fields, in the order of the list's keys."""

_UNFILLED = (None, "", "Cg==")
"""Empty values; the last is an empty line in Base64, used as a placeholder where a value is required."""


@dataclass(frozen=True)
class Shape:
    """The shape of a map, a list or a plain value; values of unknown shape are left out."""

    fields: Mapping[str, Shape] = field(default_factory=dict)
    """For a map: the shapes of its fields."""
    each: Shape | None = None
    """For a list: the shape of its elements; for a map without `fields`: the shape of its values."""
    keys: tuple[str, ...] = ()
    """For a list: the fields of an element that are its merge key."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """For a list with keys: the values of key fields that an element does not set."""
    as_set: bool = False
    """For a list: whether it is a set, in which order has no meaning."""
    filled: bool = False
    """For a plain value: whether another program sets it if it is left empty."""

    def of(self, name: str) -> Shape:
        """Return the shape of a map's field."""
        return self.fields.get(name) or self.elements

    @property
    def elements(self) -> Shape:
        """The shape of a list's elements."""
        return self.each or PLAIN

    def unfilled(self, value: Any) -> bool:
        """Return whether another program is expected to set this value, and it is still empty."""
        return self.filled and value in _UNFILLED

    def key_of(self, element: Any) -> Key | None:
        """Return an element's key; None if it has none."""
        if not isinstance(element, dict):
            return None
        key = tuple(element.get(name, self.defaults.get(name)) for name in self.keys)
        plain = all(isinstance(part, str | int | float) for part in key)
        return tuple(_whole(part) for part in key) if plain else None

    def by_key(self, elements: list[Any]) -> dict[Key, Any] | None:
        """Return a list's elements by key; None if the list has no keys, or a key is missing or occurs twice."""
        if not self.keys:
            return None
        found = {self.key_of(element): element for element in elements}
        if None in found or len(found) != len(elements):
            return None
        return {key: element for key, element in found.items() if key is not None}


def _whole(part: Any) -> Any:
    """Return a whole float as an integer: Pulumi's protocol turns 80 into 80.0."""
    return int(part) if isinstance(part, float) and part.is_integer() else part


PLAIN = Shape()
"""The shape of a value about which nothing is known: its lists have no keys."""
