"""Secrets whose values are encrypted in the stack file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from flotilla.karmada.names import is_dns_subdomain
from flotilla.kube.objects import is_base64
from flotilla.kube.secrecy import HIDDEN
from flotilla.stack.labels import LabelKey, Labels
from flotilla.stack.problems import ConfigModel, refuse

# apimachinery, util/validation: IsConfigMapKey.
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")


def _name(value: str) -> str:
    if not is_dns_subdomain(value):
        raise refuse("must be a Secret's name: lower-case letters, digits, '-' and '.'", remedy="rename it")
    return value


def _keys(value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
    for key in value:
        if not _KEY.fullmatch(key) or set(key) == {"."}:
            raise refuse(
                f"has the key {key[:40]!r}; a key consists of letters, digits, '-', '_' and '.'",
                consequence="the API refuses the Secret",
                remedy="rename the key",
            )
    return value


Values = Annotated[dict[str, SecretStr], AfterValidator(_keys)]


class WorkloadSecret(ConfigModel):
    """A Secret in the workload's namespace, which is sent with the workload.

    A value in clear text is refused. Set it with `pulumi config set --secret --path
    'flotilla:workloads[0].secrets[0].stringData.PASSWORD'`. A key with dots is quoted: `stringData["tls.key"]`.
    """

    name: Annotated[str, AfterValidator(_name)] = Field(description="The name of the Secret.")
    type: str = Field(
        default="Opaque", min_length=1, description="The type of the Secret, such as `kubernetes.io/tls`."
    )
    string_data: Values = Field(
        default_factory=dict, description="Values as text, by key. Set each with `pulumi config set --secret --path`."
    )
    data: Values = Field(default_factory=dict, description="Values in base64, by key, for values that are not text.")
    labels: Labels = Field(default_factory=dict, description="Labels of the Secret.")
    annotations: dict[LabelKey, str] = Field(default_factory=dict, description="Annotations of the Secret.")
    immutable: bool = Field(default=False, description="The values can't be changed after the Secret was created.")

    @model_validator(mode="after")
    def _values(self) -> Self:
        if not self.string_data and not self.data:
            raise refuse("has neither 'stringData' nor 'data'", consequence="it would be empty", remedy="add a value")
        both = sorted(set(self.string_data) & set(self.data))
        if both:
            raise refuse(
                f"has {both[0]!r} in 'stringData' and in 'data'",
                consequence="one of the two values would be lost",
                remedy="keep one of them",
            )
        for key, value in self.data.items():
            if value.get_secret_value() != HIDDEN and not is_base64(value.get_secret_value()):
                raise refuse(
                    f"'data.{key}' is not base64", consequence="the API refuses it", remedy="move it to 'stringData'"
                )
        return self
