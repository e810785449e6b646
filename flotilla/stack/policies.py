"""How a stack wants its policies: where it stands, which level a rule has, and what is exempt, why and until when."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from pydantic import Field

from flotilla.stack.environments import Environment
from flotilla.stack.freezes import Freeze
from flotilla.stack.problems import ConfigModel

__all__ = ["Environment", "Exemption", "Guards", "Level", "PolicySettings"]


class Level(StrEnum):
    """What a violation does."""

    MANDATORY = "mandatory"
    """It refuses the plan."""
    ADVISORY = "advisory"
    """It is reported."""
    DISABLED = "disabled"
    """The rule isn't asked."""


class Exemption(ConfigModel):
    """Lets one rule pass for some resources, for a while."""

    rule: str = Field(description="The rule's name.")
    resource: str = Field(description="The resource's name; `*` and `?` match.")
    reason: str = Field(min_length=1, description="Why it is all right.")
    expires: dt.date = Field(description="The last day on which it counts (YYYY-MM-DD).")


class Guards(ConfigModel):
    """How much one plan may take away or touch, and when; what isn't given is as the environment has it."""

    max_removals: int | None = Field(default=None, ge=0, description="The most copies that one plan may take away.")
    max_removed_share: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The most of the clusters that a workload runs on, in percent, in which one plan may take it away.",
    )
    max_clusters: int | None = Field(default=None, ge=0, description="The most clusters that one plan may touch.")
    freeze: tuple[Freeze, ...] = Field(default=(), description="When the stack isn't changed.")


class PolicySettings(ConfigModel):
    """A stack's policies."""

    environment: Environment = Field(default=Environment.DEVELOPMENT, description="What the stack is for.")
    levels: dict[str, Level] = Field(
        default_factory=dict, description="Level by rule; by default mandatory in production, else advisory."
    )
    exemptions: tuple[Exemption, ...] = Field(default=(), description="What is exempt, why and until when.")
    guards: Guards = Field(default=Guards(), description="How much one plan may take away or touch, and when.")
