"""What a stack says of a member that is worked on: it takes nothing new, or is emptied as well."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, model_validator

from flotilla.stack.problems import ConfigModel, refuse

LONGEST_REASON = 200


class MaintenanceMode(StrEnum):
    """What becomes of what runs in the member."""

    CORDON = "cordon"
    """It takes nothing new; what runs there stays."""
    DRAIN = "drain"
    """It takes nothing new, and what can run elsewhere leaves."""


class Duplicated(StrEnum):
    """What a drain does with workloads that have a copy in every cluster of their placement: none of them can move."""

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
    def _of_a_drain(self) -> Self:
        if self.duplicated is Duplicated.REMOVE and not self.drains:
            raise refuse(
                "has `duplicated: remove` with `mode: cordon`",
                consequence="a cordon takes nothing away",
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
        """Tell whether what runs there leaves."""
        return self.mode is MaintenanceMode.DRAIN

    @property
    def annotation(self) -> str:
        """Return what its Cluster says of it; empty for a bare cordon, which is just that of `karmadactl cordon`."""
        return "" if self.text == MaintenanceMode.CORDON else self.text

    @property
    def text(self) -> str:
        """Return it in a line: `drain: new kernel, until 2026-12-01`."""
        parts = [part for part in (self.reason, f"until {self.until}" if self.until else "") if part]
        return f"{self.mode}{': ' if parts else ''}{', '.join(parts)}"
