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
    """Exempts some resources from a rule or guard until a day."""

    rule: str = Field(description="The name of the rule or guard.")
    resource: str = Field(description="The name of the resource; `*` and `?` match.")
    reason: str = Field(min_length=1, description="Why the exemption is acceptable.")
    expires: dt.date = Field(description="The last day on which it applies (YYYY-MM-DD).")


class Guards(ConfigModel):
    """Limits on what one plan may remove or touch, and times without changes. Defaults depend on the environment."""

    max_removals: int | None = Field(
        default=None,
        ge=0,
        description="How many copies one plan may remove. Default: 10 in production and staging, no limit in "
        "development.",
    )
    max_removed_share: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The largest percentage of a workload's clusters from which one plan may remove it. "
        "Default: 40 in production and staging, no limit in development.",
    )
    max_clusters: int | None = Field(
        default=None, ge=0, description="How many clusters one plan may touch. Default: no limit."
    )
    freeze: tuple[Freeze, ...] = Field(default=(), description="Times in which the stack is not changed.")


class PolicySettings(ConfigModel):
    """Settings of the project's policies for this stack."""

    environment: Environment = Field(
        default=Environment.DEVELOPMENT,
        description="The purpose of the stack, which decides the levels of policies and guards.",
    )
    levels: dict[str, Level] = Field(
        default_factory=dict,
        description="Level by rule or guard. Default: a few rules are mandatory everywhere, all others in "
        "production; elsewhere they are advisory.",
    )
    exemptions: tuple[Exemption, ...] = Field(
        default=(), description="Resources that are exempt from a rule or guard until a day."
    )
    guards: Guards = Field(
        default=Guards(), description="Limits on what one plan may remove or touch, and times without changes."
    )
