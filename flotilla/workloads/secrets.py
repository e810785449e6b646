"""Builds the Secrets of a workload whose values are encrypted in the stack's configuration."""

from __future__ import annotations

import base64

from pydantic import SecretStr

from flotilla.kube.objects import Object
from flotilla.kube.secrecy import HIDDEN, PLACEHOLDERS
from flotilla.stack.secrets import WorkloadSecret
from flotilla.stack.workloads import Workload


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret_objects(workload: Workload) -> list[Object]:
    """Return the Secrets that a workload's `secrets` declare.

    Values of `stringData` become `data` here: API servers do the same, but a removed key of `stringData` would stay.
    Where the stack file is read without its passphrase, placeholders replace the values.
    """
    return [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": secret.name, **_marks(secret)},
            "type": secret.type,
            **({"immutable": True} if secret.immutable else {}),
            "data": {
                **{key: _encoded(_value(value)) for key, value in secret.string_data.items()},
                **{key: _base64(_value(value)) for key, value in secret.data.items()},
            },
        }
        for secret in workload.secrets
    ]


def _marks(secret: WorkloadSecret) -> Object:
    marks = {"labels": dict(secret.labels), "annotations": dict(secret.annotations)}
    return {field: values for field, values in marks.items() if values}


def _value(value: SecretStr) -> str:
    return value.get_secret_value()


def _base64(text: str) -> str:
    return PLACEHOLDERS["data"] if text == HIDDEN else "".join(text.split())
