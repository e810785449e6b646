"""What a stack is for."""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """What a stack is for; some rules are for production alone."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
