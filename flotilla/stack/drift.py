"""Settings of a stack for drift: which findings don't count, why, and until when."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from flotilla.stack.problems import ConfigModel, Problem, refuse

_BAD_ESCAPE = re.compile(r"~(?![01])")


def _field(value: str) -> str:
    if not value.strip("/. "):
        raise refuse(
            "must name a field",
            consequence="every change of the object would be ignored",
            remedy="write a finding's `pointer`, such as /spec/replicas, or its `path`, such as spec.replicas",
        )
    if value.startswith("/") and (value.endswith("/") or _BAD_ESCAPE.search(value)):
        raise refuse(
            "must be a JSON pointer without `/` at its end, with ~1 for / and ~0 for ~ within a key",
            consequence="it would match nothing",
            remedy="copy a finding's `pointer` from `flotilla drift --json`",
        )
    return value


def _reason(value: str) -> str:
    if not value.strip():
        raise refuse(
            "must not be empty", consequence="nobody would know why the finding is ignored", remedy="write the reason"
        )
    return value


class IgnoredDrift(ConfigModel):
    """Findings of drift that don't count until a day. All given keys have to match.

    `field` or `rule` is required.
    """

    kind: str = Field(min_length=1, description="The kind of the object.")
    name: str | None = Field(
        default=None, min_length=1, description="The name of the object; `*` and `?` match. Default: any."
    )
    namespace: str | None = Field(default=None, min_length=1, description="The namespace of the object. Default: any.")
    member: str | None = Field(
        default=None, min_length=1, description="The cluster; `karmada` is the control plane. Default: any."
    )
    rule: str | None = Field(default=None, min_length=1, description="The rule of the finding. Default: any.")
    field: Annotated[str, AfterValidator(_field)] | None = Field(
        default=None,
        description="The field, with all fields below it: the `pointer` of a finding, such as "
        "`/spec/replicas`, or its `path`. Default: any.",
    )
    reason: Annotated[str, AfterValidator(_reason)] = Field(description="Why the difference is acceptable.")
    until: dt.date = Field(description="The last day on which the findings don't count (YYYY-MM-DD).")

    @model_validator(mode="after")
    def _check_narrow(self) -> Self:
        if self.field is None and self.rule is None:
            raise refuse(
                "needs 'field', or 'rule' for findings without a field",
                consequence="whatever happens to the object would be ignored",
                remedy="add `field: /spec/...`, or `rule:` with one of docs/reference/drift.md",
            )
        return self


class DriftSettings(ConfigModel):
    """Settings of drift detection."""

    ignore: tuple[IgnoredDrift, ...] = Field(default=(), description="Findings to ignore.")


def check_drift_settings(settings: DriftSettings, clusters: set[str]) -> list[Problem]:
    """Check that each member that the settings name exists.

    Args:
        settings: the stack's settings for drift.
        clusters: the names of the members.
    """
    return [
        Problem(
            f"drift.ignore[{index}].member",
            "must name a member, or `karmada`",
            "it would match nothing",
            f"members: {', '.join(sorted(clusters)) or 'none'}",
            f'"{one.member}"',
        )
        for index, one in enumerate(settings.ignore)
        if one.member is not None and one.member not in {*clusters, "karmada"}
    ]
