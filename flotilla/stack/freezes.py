"""Freezes: windows of time in which a stack must not be changed. A window comes once, every day or every week."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from flotilla.stack.environments import Environment
from flotilla.stack.problems import ConfigModel, refuse

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_POINT = re.compile(r"(?:(?P<date>\d{4}-\d\d-\d\d)|(?P<day>[A-Za-z]+))?(?:(?:^|[ T])(?P<time>\d{1,2}:\d\d))?")
_WEEK = dt.timedelta(days=7)
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Point:
    """One end of a window: a date, a day of the week or every day, with a time of day."""

    date: dt.date | None = None
    weekday: int | None = None
    """0 is Monday."""
    time: dt.time | None = None

    @property
    def period(self) -> dt.timedelta | None:
        """The time after which it comes again; None where it comes once."""
        return None if self.date else _DAY if self.weekday is None else _WEEK

    def last(self, moment: dt.datetime) -> dt.datetime:
        """Return its last occurrence before a moment of its time zone; a date has only one, which may lie ahead."""
        time = self.time or dt.time()
        if self.date:
            return dt.datetime.combine(self.date, time)
        day = moment.date()
        if self.weekday is not None:
            day -= dt.timedelta(days=(day.weekday() - self.weekday) % len(_DAYS))
        found = dt.datetime.combine(day, time)
        return found if found <= moment else found - (self.period or _DAY)


def point_of(text: str) -> Point:
    """Parse one end of a window.

    Raises:
        ValueError: the text has another form, or there is no such day.
    """
    found = _POINT.fullmatch(text.strip())
    if found is None or not text.strip():
        raise ValueError(text)
    date, day, time = found["date"], found["day"], found["time"]
    weekday = None
    if day:
        match = [i for i, names in enumerate(zip(_DAYS, _NAMES, strict=True)) if day.capitalize() in names]
        weekday = match[0] if match else int(day)  # int raises the ValueError: the text is not a number
    return Point(
        dt.date.fromisoformat(date) if date else None,
        weekday,
        dt.time.fromisoformat(time.zfill(len("00:00"))) if time else None,
    )


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value


def _point(value: str) -> str:
    try:
        point_of(value)
    except ValueError:
        raise refuse(
            "must be a day and a time (Fri 16:00), a time (22:00), or a date with or without a time (2026-12-20 18:00)",
            consequence="it would be unclear when the freeze begins and ends",
            remedy="write one of these forms",
        ) from None
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise refuse(
            "is not a time zone",
            consequence="the freeze would begin and end at another time",
            remedy="write a name of the IANA database, such as Europe/Berlin or UTC",
        ) from None
    return value


Moment = Annotated[str, BeforeValidator(_text), AfterValidator(_point)]


class Freeze(ConfigModel):
    """A period in which the stack is not changed."""

    from_: Moment = Field(
        alias="from",
        description="The beginning: `Fri 16:00` (every week), `22:00` (every day), `2026-12-20` or "
        "`2026-12-20 18:00` (once).",
    )
    until: Moment = Field(description="The end, in the same form. A day without a time is the last day of the period.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        default="UTC", description="The time zone of these times, such as `Europe/Berlin`."
    )
    environments: tuple[Environment, ...] = Field(
        default=(),
        description="The environments to which it applies, in a file that several stacks share. Default: all.",
    )
    reason: str = Field(min_length=1, description="The reason, which a refused plan shows.")

    @model_validator(mode="after")
    def _check_ends(self) -> Self:
        if point_of(self.until).date == dt.date.max:
            raise refuse(
                f"ends on {dt.date.max}, after which there is no day",
                consequence="it would be unclear when the freeze ends",
                remedy="write an earlier date as `until`",
            )
        start, end = point_of(self.from_), self._end
        if start.period != end.period:
            raise refuse(
                "has a beginning and an end of different forms",
                consequence="it would be unclear when the freeze ends",
                remedy="give two days of the week, two times of day, or two dates",
            )
        if start.date is None and (start.weekday, start.time or dt.time()) == (end.weekday, end.time):
            raise refuse(
                "begins and ends at the same time",
                consequence="it would have no duration, or never end",
                remedy="set another `until`; `maxClusters: 0` refuses every plan that touches a cluster, at any time",
            )
        if start.date and end.date and (end.date, end.time) <= (start.date, start.time or dt.time()):
            raise refuse("ends before it begins", consequence="it would never apply", remedy="swap the two dates")
        return self

    @property
    def _end(self) -> Point:
        """The end with a time; a day without a time is included, so the end is the next midnight."""
        end = point_of(self.until)
        if end.time or (end.weekday is None and end.date is None):
            return replace(end, time=end.time or dt.time())
        if end.date:
            return Point(date=end.date + _DAY, time=dt.time())
        return Point(weekday=((end.weekday or 0) + 1) % len(_DAYS), time=dt.time())

    def ends_after(self, begun: dt.datetime) -> dt.datetime:
        """Return the end of the window that began at a moment, in local time of its time zone."""
        end = self._end
        return end.last(begun) + (end.period or dt.timedelta())

    def holds_until(self, now: dt.datetime) -> dt.datetime | None:
        """Return the end of the window that contains a moment (with its time zone); None where no window does."""
        zone = ZoneInfo(self.time_zone)
        local = now.astimezone(zone).replace(tzinfo=None)
        begun = point_of(self.from_).last(local)
        end = self.ends_after(begun)
        return end.replace(tzinfo=zone) if begun <= local < end else None
