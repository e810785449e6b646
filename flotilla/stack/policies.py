"""Policy settings of a stack: its environment, levels of rules, guards, and exemptions with reason and expiry date."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from pydantic import Field

from flotilla.stack.environments import Environment
from flotilla.stack.freezes import Freeze
from flotilla.stack.problems import ConfigModel

__all__ = ["Environment", "Exemption", "Guards", "Level", "PolicySettings"]


class Level(StrEnum):
    """The effect of a violation."""

    MANDATORY = "mandatory"
    """The violation refuses the plan."""
    ADVISORY = "advisory"
    """The violation is only reported."""
    DISABLED = "disabled"
    """The rule isn't evaluated."""


class Exemption(ConfigModel):
    """Exempts some resources from one rule until a date."""

    rule: str = Field(description="Name of the rule.")
    resource: str = Field(description="Name of the resource, with `*` and `?` as wildcards.")
    reason: str = Field(min_length=1, description="Why the resources are exempt.")
    expires: dt.date = Field(description="The last day of the exemption (YYYY-MM-DD).")


class Guards(ConfigModel):
    """Limits on what one plan may remove or touch, and freezes. The environment gives the defaults."""

    max_removals: int | None = Field(
        default=None, ge=0, description="Maximum number of copies that one plan may remove."
    )
    max_removed_share: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="Maximum share of a workload's clusters, in percent, from which one plan may remove it.",
    )
    max_clusters: int | None = Field(
        default=None, ge=0, description="Maximum number of clusters that one plan may touch."
    )
    freeze: tuple[Freeze, ...] = Field(
        default=(), description="Windows of time in which the stack must not be changed."
    )


class PolicySettings(ConfigModel):
    """Policy settings of a stack."""

    environment: Environment = Field(
        default=Environment.DEVELOPMENT, description="The stack's environment: development, staging or production."
    )
    levels: dict[str, Level] = Field(
        default_factory=dict,
        description="Level by rule: mandatory, advisory or disabled. Default: mandatory in production, else advisory.",
    )
    exemptions: tuple[Exemption, ...] = Field(default=(), description="Exemptions from rules.")
    guards: Guards = Field(default=Guards(), description="Limits on what one plan may remove or touch, and freezes.")
