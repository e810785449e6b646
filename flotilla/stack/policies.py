"""How a stack wants its policies: where it stands, which level a rule has, and what is exempt, why and until when."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum

from pydantic import Field

from flotilla.stack.problems import ConfigModel


class Environment(StrEnum):
    """What a stack is for; some rules are for production alone."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"


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


class PolicySettings(ConfigModel):
    """A stack's policies."""

    environment: Environment = Field(default=Environment.DEVELOPMENT, description="What the stack is for.")
    levels: dict[str, Level] = Field(
        default_factory=dict, description="Level by rule; by default mandatory in production, else advisory."
    )
    exemptions: tuple[Exemption, ...] = Field(default=(), description="What is exempt, why and until when.")
