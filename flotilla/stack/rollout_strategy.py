"""The values of `rollout`, of a workload and of the whole stack: how changes reach clusters."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, field_validator, model_validator

from flotilla import durations
from flotilla.karmada.status.ready import Selector
from flotilla.karmada.waves.strategy import Approval, Count, OnFailure
from flotilla.stack.problems import ConfigModel, refuse
from flotilla.stack.readiness import ConditionStatus, StatusWord

_DAY = 24 * 3600.0
_ALL = 100
_SHARE = re.compile(r"(\d{1,3})%")
_DEFAULT_TIMEOUT = 60.0


def _seconds(value: Any) -> float:
    """Parse a duration; a whole number is in seconds, as in other keys of the stack file."""
    try:
        found = durations.seconds(value) if isinstance(value, str) and value else float(value)
        read = not isinstance(value, bool) and 0 <= found < float("inf")
    except (TypeError, ValueError):
        read = False
    if not read:
        raise refuse(
            "must be a duration",
            consequence="its length would be unclear",
            remedy="write it as 60s, 5m or 1h",
        )
    if found > _DAY:
        raise refuse(
            "is more than 24h",
            consequence="an `up` would run, and keep the stack locked, that long",
            remedy="write at most 24h; `approve: after` of a wave lets a person decide when to continue",
        )
    return found


def _count(value: Any) -> Count:
    """Parse a number of clusters, or a share such as `25%`."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) > _ALL:
        raise refuse(
            "must be a whole number of clusters, or a share of the wave",
            consequence="the number of clusters would be unclear",
            remedy='write it as 1 or "25%"',
        )
    return f"{int(found[1])}%"


def _max_concurrent(value: Any) -> Count:
    count = _count(value)
    if count in (0, "0%"):
        raise refuse(
            "must be 1 or more",
            consequence="no cluster would ever get the change",
            remedy="increase it, or remove it to change all clusters of the wave at the same time",
        )
    return count


def _approvals(value: Any) -> Any:
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(one in tuple(Approval) for one in listed):
        raise refuse(
            "must be before, after, or both in a list",
            consequence="it would be unclear when a person approves",
            remedy="write it as `approve: before`, or as `approve: [before, after]`",
        )
    return listed


def _words(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(word, str) for word in value):
        raise refuse(
            "must be a list of texts: the program and its arguments",
            consequence="no shell runs it, so a single line would not be split into words",
            remedy='write it as [./smoke.sh, --fast], or [sh, -c, "..."]',
        )
    if not value[0].strip():
        raise refuse("must begin with a program", consequence="there would be nothing to run", remedy="name it first")
    return value


def _selector(value: str) -> str:
    try:
        Selector.parse(value)
    except ValueError as error:
        raise refuse(
            str(error),
            consequence="it would match no object",
            remedy="write the kind as manifests do, such as `Deployment/web`",
        ) from None
    return value


Duration = Annotated[float, PlainValidator(_seconds, json_schema_input_type=str | float)]
Clusters = Annotated[Count, PlainValidator(_count, json_schema_input_type=int | str)]
MostClusters = Annotated[Count, PlainValidator(_max_concurrent, json_schema_input_type=int | str)]
Command = Annotated[tuple[str, ...], BeforeValidator(_words)]
Approvals = Annotated[
    tuple[Approval, ...], BeforeValidator(_approvals, json_schema_input_type=Approval | tuple[Approval, ...])
]


class RolloutWave(ConfigModel):
    """Clusters that get a change together. Exactly one of `clusters`, `labels` and `percent` chooses them."""

    clusters: tuple[str, ...] = Field(default=(), description="Names of members.")
    labels: dict[str, str] = Field(
        default_factory=dict, description="Labels that the Cluster must have. Clusters of earlier waves are left out."
    )
    percent: int | None = Field(
        default=None,
        ge=1,
        le=_ALL,
        description="The percentage of the workload's clusters that have the change after this wave, taken "
        "in the order of their names. It includes earlier waves, and must rise from wave to wave.",
    )
    max_concurrent: MostClusters | None = Field(
        default=None,
        description="How many of its clusters get the change at the same time: a number, or a percentage of "
        "the wave such as `25%`. Default: all of them.",
    )
    approve: Approvals = Field(
        default=(),
        description="A person has to approve the wave with `flotilla rollout approve`: before it begins, "
        "after it has ended, or both.",
    )

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        given = [key for key in ("clusters", "labels", "percent") if getattr(self, key)]
        if len(given) != 1:
            seen = f"has {' and '.join(repr(key) for key in given)}" if given else "has none of them"
            raise refuse(
                f"needs exactly one of 'clusters', 'labels' and 'percent', and {seen}",
                consequence="it would be unclear which clusters the wave has",
                remedy="keep one of them" if given else "add one; clusters in no wave come last automatically",
            )
        return self

    def plain(self) -> dict[str, Any]:
        """Return it as plain data (`flotilla.karmada.waves.strategy`), without keys that aren't given."""
        approvals = [one.value for one in Approval if one in self.approve]
        return {
            **({"clusters": list(self.clusters)} if self.clusters else {}),
            **({"labels": dict(self.labels)} if self.labels else {}),
            **({"percent": self.percent} if self.percent is not None else {}),
            **({"maxConcurrent": self.max_concurrent} if self.max_concurrent is not None else {}),
            **({"approve": approvals} if approvals else {}),
        }


class GateCheck(ConfigModel):
    """A check after a wave: exactly one of `command`, `prometheus` and `condition`."""

    command: Command | None = Field(
        default=None,
        description="A program with its arguments. It passes with exit code 0, and runs on the machine that runs `up`.",
    )
    timeout: Duration | None = Field(
        default=None, description="How long the command may take, such as `5m`. Default: `60s`."
    )
    prometheus: str | None = Field(default=None, description="The URL of a Prometheus server, without credentials.")
    query: str | None = Field(
        default=None,
        min_length=1,
        description="An expression for Prometheus. A comparison passes where its result isn't empty; any "
        "other result passes where no value is 0.",
    )
    condition: str | None = Field(
        default=None, min_length=1, description="Type of a condition that Karmada reports for each cluster."
    )
    status: StatusWord | None = Field(default=None, description="The status of the condition. Default: `True`.")
    of: Annotated[str, AfterValidator(_selector)] | None = Field(
        default=None, description="The objects that have the condition: `Kind`, `Kind.group` or `Kind/name`."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        owners = {"command": ("timeout",), "prometheus": ("query",), "condition": ("status", "of")}
        given = [key for key in owners if getattr(self, key) is not None]
        if len(given) != 1:
            raise refuse(
                "needs exactly one of 'command', 'prometheus' and 'condition'",
                consequence="it would be unclear what to check",
                remedy="keep one of them, and write the others as entries of their own"
                if given
                else "add one of them, or remove the entry",
            )
        for owner, keys in owners.items():
            extra = [key for key in keys if owner not in given and getattr(self, key) is not None]
            if extra:
                raise refuse(
                    f"has {extra[0]!r} without {owner!r}",
                    consequence="it would have no effect",
                    remedy=f"remove it, or write a check with {owner!r}",
                )
        for owner, key in (("prometheus", "query"), ("condition", "of")):
            if owner in given and getattr(self, key) is None:
                raise refuse(
                    f"has {owner!r} without {key!r}", consequence="there would be nothing to ask for", remedy="add it"
                )
        return self

    @model_validator(mode="after")
    def _check_prometheus(self) -> Self:
        # This check is here so that no message shows the value: a URL may contain a password.
        if self.prometheus is None:
            return self
        try:
            url = urlsplit(self.prometheus)
            host, known = url.hostname, url.scheme in ("http", "https") and (url.port is None or url.port > 0)
        except ValueError:
            host, known = None, False
        if not known or not host or url.query or url.fragment:
            raise refuse(
                "'prometheus' must be a URL that begins with http:// or https://, without a query",
                consequence="no server could be queried",
                remedy="write it as http://prometheus.example:9090",
            )
        if url.username is not None or url.password is not None:
            raise refuse(
                "'prometheus' has credentials in its URL",
                consequence="they would be stored in clear text",
                remedy="remove them; use a `command` for a server that needs credentials",
            )
        return self

    def plain(self) -> dict[str, Any]:
        """Return it as plain data (`flotilla.karmada.waves.strategy`)."""
        if self.command is not None:
            timeout = _DEFAULT_TIMEOUT if self.timeout is None else self.timeout
            return {"command": list(self.command), "timeoutSeconds": _number(timeout)}
        if self.prometheus is not None:
            return {"prometheus": self.prometheus, "query": self.query}
        status = (self.status or ConditionStatus.TRUE).value
        return {"condition": self.condition, "status": status, "of": self.of}


class RolloutGate(ConfigModel):
    """What has to be true of a wave's clusters before the next wave begins. It is the same after each wave.

    Durations are written as `60s`, `5m` or `1h30m`, of at most 24h.
    """

    healthy_for: Duration = Field(
        default=0.0,
        description="How long every cluster has to be healthy without a break, such as `60s`. Default: it "
        "has to be healthy once.",
    )
    max_unavailable: Clusters = Field(
        default=0,
        description="How many of the wave's clusters may be unhealthy: a number, or a percentage such as `25%`.",
    )
    checks: tuple[GateCheck, ...] = Field(default=(), description="Further checks, in this order.")

    def plain(self) -> dict[str, Any]:
        """Return it as plain data (`flotilla.karmada.waves.strategy`), without keys that aren't given."""
        return {
            **({"healthySeconds": _number(self.healthy_for)} if self.healthy_for else {}),
            **({"maxUnavailable": self.max_unavailable} if self.max_unavailable not in (0, "0%") else {}),
            **({"checks": [check.plain() for check in self.checks]} if self.checks else {}),
        }


class RolloutStrategy(ConfigModel):
    """How a change reaches the clusters of a workload: in waves, with a gate after each.

    Needs Karmada 1.11, so the stack has to name its version. Refused: a cluster in two waves, a member that the
    placement doesn't choose (in the stack's section: that no placement chooses), labels that no chosen member has,
    a condition for which a workload has no object or which Karmada doesn't collect, and `suspend`, `activation:
    Lazy` or objects that follow others beside it.
    """

    waves: tuple[RolloutWave, ...] = Field(
        description="The waves in their order. Clusters in no wave come last, as one more wave."
    )
    gate: RolloutGate = Field(
        default=RolloutGate(), description="What has to be true before the next wave begins, besides health."
    )
    on_failure: OnFailure = Field(
        default=OnFailure.STOP,
        description="Where a wave fails: `stop` leaves later clusters unchanged, `revert` also takes the "
        "change back in earlier ones.",
    )

    @field_validator("waves")
    @classmethod
    def _in_order(cls, waves: tuple[RolloutWave, ...]) -> tuple[RolloutWave, ...]:
        if not waves:
            raise refuse(
                "has no wave",
                consequence="a change would reach all clusters at the same time",
                remedy="add one, such as {clusters: [member1]}, or remove `rollout`",
            )
        twice = sorted(name for name, count in Counter(n for w in waves for n in w.clusters).items() if count > 1)
        if twice:
            raise refuse(
                f"has {twice[0]!r} twice",
                consequence="a cluster gets a change once, in the first wave that has it",
                remedy="remove it from one of them",
            )
        by_percent = [(number, wave.percent) for number, wave in enumerate(waves, 1) if wave.percent is not None]
        for (_, before), (number, percent) in pairwise(by_percent):
            if percent <= before:
                raise refuse(
                    f"has `percent: {percent}` in wave {number} after `percent: {before}`: it counts all clusters that "
                    "have the change after that wave, so it must rise",
                    consequence="the wave would have no cluster",
                    remedy="write a larger number, or leave the wave out",
                )
        last = by_percent[-1] if by_percent else (len(waves), 0)
        if last[1] == _ALL and last[0] < len(waves):
            raise refuse(
                f"has a wave after wave {last[0]} with `percent: {_ALL}`",
                consequence="all clusters would have the change before it",
                remedy="decrease the percentage, or write that wave before",
            )
        return waves

    def plain(self) -> dict[str, Any]:
        """Return it as plain data: the input `rollout` of Hold and Rollout (`flotilla.karmada.waves.strategy`)."""
        gate = self.gate.plain()
        return {
            "waves": [wave.plain() for wave in self.waves],
            **({"gate": gate} if gate else {}),
            "onFailure": self.on_failure.value,
        }


def opted_out(value: Any) -> Any:
    """Return the value of a workload's `rollout`; `false` means none, even if the stack has one.

    Raises:
        PydanticCustomError: it is neither a mapping nor `false`.
    """
    if value is False:
        return None
    if not isinstance(value, dict | RolloutStrategy):
        raise refuse(
            "must be a mapping with `waves`, or `false`",
            consequence="it would be unclear how changes reach the clusters",
            remedy="write `waves`, or `false` to ignore the stack's `rollout`",
        )
    return value


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
