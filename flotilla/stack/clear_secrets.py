"""Values of Secrets that stand in clear text in the stack file.

Pulumi's CLI keeps the stack's configuration with its state, its history and its backups, as it stands in the file: what
is in clear text there stays so, whatever the program makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flotilla.kube.secrecy import HIDDEN, carries_secret
from flotilla.stack.evaluation import evaluates
from flotilla.stack.files import ManifestFiles
from flotilla.stack.fleet import Fleet
from flotilla.stack.overrides import Override
from flotilla.stack.stackfile import PROJECT
from flotilla.workloads.objects import manifests_of

WORKLOADS = f"{PROJECT}:workloads"
"""The configuration's key under which overrides stand."""


def in_clear(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return which override patches set a value of a Secret in clear text, a line each.

    An encrypted value is none: reading a stack file without its passphrase leaves `[secret]` in its place. A program
    has all values decrypted: it asks only where its configuration has no encrypted value among the workloads.
    """
    found: list[str] = []
    for index, workload in enumerate(fleet.workloads):
        if not workload.overrides or not any(obj["kind"] == "Secret" for obj in manifests_of(workload, files)):
            continue
        found += [
            f"workload {workload.name}: {place} sets {path} of a Secret, and "
            + (_BY_FACTS if evaluates(override, value) else _IN_CLEAR.format(path=f"{WORKLOADS}[{index}].{place}"))
            for number, override in enumerate(workload.overrides)
            for place, path, value in _values(f"overrides[{number}]", override)
            if value is not None and value != HIDDEN and carries_secret(path)
        ]
    return found


_IN_CLEAR = (
    "stands in clear text in the stack file; Pulumi's CLI keeps it so in its state and history: set it with "
    "`pulumi config set --secret --path '{path}'`"
)
_BY_FACTS = (
    "the members' facts stand in clear text in the stack file; Pulumi's CLI keeps them so in its state and history: "
    "give each cluster an override of its own, with its value set by `pulumi config set --secret --path`"
)


def _values(place: str, override: Override) -> Iterator[tuple[str, str, Any]]:
    """Yield what an override sets: its place in the workload, the field of the object, and the value."""
    for number, patch in enumerate(override.patches):
        yield f"{place}.patches[{number}].value", patch.path, patch.value
    for number, field in enumerate(override.fields):
        for step, patch in enumerate(field.patches):
            yield f"{place}.fields[{number}].patches[{step}].value", field.path, patch.value
