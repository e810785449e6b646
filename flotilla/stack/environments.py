"""The environment of a stack."""

from __future__ import annotations

from enum import StrEnum


class Environment(StrEnum):
    """The environment of a stack; some rules apply to production only."""

    DEVELOPMENT = "development"
    STAGING = "staging"
    PRODUCTION = "production"
