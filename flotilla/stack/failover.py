"""What Karmada does with a workload whose copies fail or whose cluster fails."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from flotilla.stack.labels import check_key
from flotilla.stack.problems import ConfigModel, refuse

_GRACE_SECONDS = 600
_MOST_SECONDS = 2**31 - 1


def _state(value: dict[str, str]) -> dict[str, str]:
    for label, path in value.items():
        check_key(label)
        if not path:
            raise refuse(f"{label!r} has no JSONPath", remedy="write one, such as '{.readyReplicas}'")
    return value


State = Annotated[dict[str, str], AfterValidator(_state), Field(default_factory=dict)]


class PurgeMode(StrEnum):
    """What happens to the old copies (the names of Karmada 1.15; earlier versions get their own names)."""

    DIRECTLY = "Directly"
    """Karmada deletes them before it makes the new ones (Immediately before 1.15)."""
    GRACEFULLY = "Gracefully"
    """Karmada deletes them once the new ones are healthy (Graciously before 1.15)."""
    NEVER = "Never"
    """Karmada leaves them; somebody else has to delete them."""


class ClusterPurgeMode(StrEnum):
    """What happens to the copies in a failed cluster."""

    DIRECTLY = "Directly"
    GRACEFULLY = "Gracefully"


class ApplicationFailover(ConfigModel):
    """Moves a workload away from clusters in which its copies stay unhealthy."""

    seconds: int = Field(
        default=300, ge=0, le=_MOST_SECONDS, description="Seconds for which copies may be unhealthy before they move."
    )
    purge_mode: PurgeMode = Field(
        default=PurgeMode.GRACEFULLY,
        description="When old copies are removed: at once, after the new ones are healthy, or never.",
    )
    grace_period: int | None = Field(
        default=None,
        ge=1,
        le=_MOST_SECONDS,
        description="With `Gracefully`: seconds after which old copies are removed in any case. Default of "
        "Karmada: 600.",
    )
    state: State = Field(
        description="Parts of the old copies' status that new copies get: the key of a label, and a JSONPath "
        "in the status. Needs Karmada 1.12."
    )

    @model_validator(mode="after")
    def _check_grace_period(self) -> Self:
        if self.grace_period is not None and self.purge_mode is not PurgeMode.GRACEFULLY:
            raise refuse(
                f"has 'gracePeriod' with `purgeMode: {self.purge_mode.value}`",
                consequence="Karmada's API refuses the policy",
                remedy="drop it, or use `purgeMode: Gracefully`",
            )
        return self

    @property
    def grace_seconds(self) -> int | None:
        """How many seconds Karmada waits before it deletes old copies in any case; None where it doesn't wait."""
        return (self.grace_period or _GRACE_SECONDS) if self.purge_mode is PurgeMode.GRACEFULLY else None


class ClusterFailover(ConfigModel):
    """How Karmada moves a workload away from clusters that fail."""

    purge_mode: ClusterPurgeMode = Field(
        default=ClusterPurgeMode.GRACEFULLY,
        description="When old copies are removed: at once, or after the new ones are healthy.",
    )
    state: State = Field(
        description="Parts of the old copies' status that new copies get: the key of a label, and a JSONPath "
        "in the status."
    )


class Failover(ConfigModel):
    """When Karmada moves a workload to other clusters by itself."""

    application: ApplicationFailover | None = Field(
        default=None, description="Move copies that are unhealthy. `{}` uses Karmada's defaults."
    )
    cluster: ClusterFailover | None = Field(
        default=None,
        description="Move copies away from clusters that fail. Needs Karmada 1.15 and the feature gate Failover.",
    )

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.application is None and self.cluster is None:
            raise refuse(
                "has neither 'application' nor 'cluster'", consequence="it would do nothing", remedy="add one: `{}`"
            )
        return self
