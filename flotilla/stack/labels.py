"""Keys and values of labels, as the stack file allows them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from flotilla.karmada.names import is_label_key, is_label_value
from flotilla.stack.problems import refuse

_FORM_OF_KEYS = "use [prefix/]name with letters, digits, '-', '_', '.'"


def check_key(key: str) -> None:
    """Check one key of a mapping.

    Raises:
        PydanticCustomError: the Kubernetes API would refuse it.
    """
    if not is_label_key(key):
        raise refuse(f"label key {key!r} is not valid", remedy=_FORM_OF_KEYS)


def _label_key(value: str) -> str:
    if not is_label_key(value):
        raise refuse("must be a valid label key", remedy=_FORM_OF_KEYS)
    return value


def check_value(value: str) -> str:
    """Check one value of a mapping, and return it.

    Raises:
        PydanticCustomError: the Kubernetes API would refuse it.
    """
    if not is_label_value(value):
        raise refuse(
            "must be a valid label value (at most 63 letters, digits, '-', '_' or '.', alphanumeric at both ends)",
            consequence="Karmada's API refuses the Cluster",
            remedy="shorten or rename it",
        )
    return value


def _labels(value: dict[str, str]) -> dict[str, str]:
    for key, text in value.items():
        check_key(key)
        check_value(text)
    return value


LabelKey = Annotated[str, AfterValidator(_label_key)]
LabelValue = Annotated[str, AfterValidator(check_value)]
Labels = Annotated[dict[str, str], AfterValidator(_labels)]
