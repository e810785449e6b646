"""Durations as texts, in the format that Go, Kubernetes and Pulumi use."""

from __future__ import annotations

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def seconds(duration: str) -> float:
    """Return the seconds of a duration as Go writes it: `90s`, `1h30m`, `1.5m`, `300ms`.

    Raises:
        ValueError: the text is not a duration; the message completes "the text ...".
    """
    total, number, rest = 0.0, "", duration
    while rest:
        if rest[0] in "0123456789.":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = "ms" if rest.startswith("ms") else rest[0]
        if unit not in _UNITS or not number.replace(".", "", 1).isdigit():
            raise ValueError("is not a duration")
        total, number, rest = total + float(number) * _UNITS[unit], "", rest[len(unit) :]
    if number:
        raise ValueError("is not a duration: it has no unit")
    return total
