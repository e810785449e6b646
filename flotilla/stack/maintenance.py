"""The maintenance of a member: it gets no new workloads (cordon), or workloads also leave it (drain)."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from flotilla.stack.problems import ConfigModel, refuse

LONGEST_REASON = 200


class MaintenanceMode(StrEnum):
    """What happens to the workloads in the member."""

    CORDON = "cordon"
    """The member gets no new workloads; those that run there stay."""
    DRAIN = "drain"
    """The member gets no new workloads, and those that can run elsewhere leave."""


class Duplicated(StrEnum):
    """What a drain does with workloads that have a copy in every cluster of their placement, so that none can move."""

    KEEP = "keep"
    REMOVE = "remove"


class Maintenance(ConfigModel):
    """Maintenance of a member. A mode alone (`maintenance: drain`) stands for `mode`.

    The commands `flotilla cordon`, `drain` and `uncordon` write it into the stack file.
    """

    mode: MaintenanceMode = Field(
        description="`cordon`: the member takes nothing new. `drain`: workloads that can run elsewhere also leave it."
    )
    reason: str = Field(
        default="", max_length=LONGEST_REASON, description="The reason, in one line. Plans and views show it."
    )
    until: dt.date | None = Field(
        default=None,
        description="The last day (YYYY-MM-DD). Plans say when it has passed; the maintenance doesn't end by itself.",
    )
    duplicated: Duplicated = Field(
        default=Duplicated.KEEP,
        description="With `drain`: `remove` also removes the copies of workloads that are duplicated, which "
        "can't move.",
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_duplicated(self) -> Self:
        if self.duplicated is Duplicated.REMOVE and not self.drains:
            raise refuse(
                "has `duplicated: remove` with `mode: cordon`",
                consequence="a cordon removes nothing",
                remedy="drop it, or write `mode: drain`",
            )
        if not self.reason.isprintable():
            raise refuse(
                "'reason' has several lines, or characters that can't be printed",
                consequence="plans show it in one line",
                remedy="shorten it",
            )
        return self

    @property
    def drains(self) -> bool:
        """Whether workloads leave the member."""
        return self.mode is MaintenanceMode.DRAIN

    @property
    def annotation(self) -> str:
        """The annotation's value on the Cluster; empty for a cordon without reason, as `karmadactl cordon` makes it."""
        return "" if self.text == MaintenanceMode.CORDON else self.text

    @property
    def text(self) -> str:
        """The maintenance in one line: `drain: new kernel, until 2026-12-01`."""
        parts = [part for part in (self.reason, f"until {self.until}" if self.until else "") if part]
        return f"{self.mode}{': ' if parts else ''}{', '.join(parts)}"
