"""The values of `ready`: the condition that a workload's objects must reach before the workload is done."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from flotilla.karmada.status.ready import Selector, Until
from flotilla.kube.jsonpath import JsonPath
from flotilla.stack.problems import ConfigModel, refuse

_WORDS = " or ".join(f"`{one.value}`" for one in Until)
_FORMS = f"{_WORDS}, or a mapping with `condition` or `jsonPath`"


class ConditionStatus(StrEnum):
    """The status of a condition (meta/v1)."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


def _boolean_as_word(value: Any) -> Any:
    """Return `True` or `False` for a YAML boolean, which these words are without quotes."""
    return {True: "True", False: "False"}[value] if isinstance(value, bool) else value


def _as_text(value: Any) -> Any:
    """Return a whole number or a boolean as the text to compare with."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


def _path(value: str) -> str:
    try:
        path = JsonPath.parse(value)
    except ValueError as error:
        raise refuse(
            str(error),
            consequence="Flotilla could not wait for it",
            remedy="write it as `kubectl wait` takes it, such as '{.status.phase}'",
        ) from None
    if path.steps[0] != "status" or len(path.steps) == 1:
        raise refuse(
            "must begin with '.status.'",
            consequence="Karmada collects only the status from members",
            remedy="write a field of the status, such as '{.status.phase}'",
        )
    return path.text


StatusWord = Annotated[
    ConditionStatus, BeforeValidator(_boolean_as_word, json_schema_input_type=ConditionStatus | bool)
]


class Readiness(ConfigModel):
    """How far an object has to get in every chosen cluster until it counts as done.

    `applied` or `healthy` alone, or a mapping with a condition or a value of the status. An object that no entry
    names has to be healthy, as Karmada judges it. Objects that need a controller in the cluster are waited for 30
    seconds at most. An entry is refused where the workload has no such object, where a path is outside `.status`,
    and for a field of the status that Karmada doesn't collect from members.
    """

    until: Until | None = Field(default=None, description="`applied` or `healthy`, written alone: `Service: applied`.")
    condition: str | None = Field(default=None, min_length=1, description="The type of a condition of the object.")
    status: StatusWord | None = Field(default=None, description="The status of the condition. Default: `True`.")
    json_path: Annotated[str, AfterValidator(_path)] | None = Field(
        default=None, description="Path in the object's status, in the form of `kubectl wait`."
    )
    value: Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int | bool)] | None = Field(
        default=None, description="The value at that path. Default: any value that isn't empty."
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            if "until" in value:
                raise refuse("'until' is not a key of a mapping", remedy=f"write {_WORDS} instead of the mapping")
            return value
        if not isinstance(value, str) or value not in tuple(Until):
            raise refuse(f"must be {_FORMS}", remedy="write one of these")
        return {"until": value}

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [key for key, one in (("condition", self.condition), ("jsonPath", self.json_path)) if one is not None]
        if self.until is None and len(given) != 1:
            raise refuse(
                "needs exactly one of 'condition' and 'jsonPath'",
                consequence="it would be unclear when the object is done",
                remedy="keep one of them; to wait for both, keep the one that is reached last",
            )
        for key, one, owner in (("status", self.status, "condition"), ("value", self.value, "jsonPath")):
            if one is not None and owner not in given:
                raise refuse(
                    f"has {key!r} without {owner!r}",
                    consequence="it would have no effect",
                    remedy=f"remove it, or add '{owner}'",
                )
        return self

    def plain(self) -> Any:
        """Return it as plain data, in the form that rollouts use (`flotilla.karmada.status.ready`)."""
        if self.until:
            return self.until.value
        if self.condition:
            return {"condition": self.condition, "status": (self.status or ConditionStatus.TRUE).value}
        return {"jsonPath": self.json_path, **({} if self.value is None else {"value": self.value})}


def _selectors(value: dict[str, Readiness]) -> dict[str, Readiness]:
    for text in value:
        try:
            Selector.parse(text)
        except ValueError as error:
            raise refuse(
                f"the key {text[:60]!r} {error}",
                consequence="it would match no object",
                remedy="write the kind as manifests do, such as `Service` or `Deployment/web`",
            ) from None
    return value


Ready = Annotated[dict[str, Readiness], AfterValidator(_selectors)]
"""The condition that objects must reach, by `Kind`, `Kind.group`, `Kind/name` or `Kind/namespace/name`."""


def plain_rules(ready: Mapping[str, Readiness]) -> dict[str, Any]:
    """Return the rules of a workload as plain data, in the order of their keys."""
    return {text: ready[text].plain() for text in sorted(ready)}
