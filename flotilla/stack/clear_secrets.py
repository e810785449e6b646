"""Finds values of Secrets in clear text in the stack file, and Secrets whose values are all encrypted.

Pulumi's CLI stores the stack's configuration in its state, its history and its backups exactly as the file has it. A
value that is in clear text in the file stays in clear text there, whatever the program does with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from flotilla.kube.objects import path_text
from flotilla.kube.reading import UnreadableFile
from flotilla.kube.secrecy import HIDDEN, carries_secret, is_veiled
from flotilla.stack.evaluation import evaluates
from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.stack.overrides import Override
from flotilla.stack.parsing import parse_list
from flotilla.stack.problems import Problem
from flotilla.stack.stackfile import PROJECT, fleet_sections, placeholders
from flotilla.stack.workloads import Workload
from flotilla.workloads.manifests import ManifestError
from flotilla.workloads.objects import manifests_of
from flotilla.workloads.secrets import secret_objects

WORKLOADS = f"{PROJECT}:workloads"
"""The configuration key of the section that contains the overrides."""


def in_clear(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return a line for each override patch that sets a value of a Secret in clear text.

    Encrypted values are not reported: where the stack file is read without its passphrase, they are `[secret]`. A
    program gets all values decrypted, so it calls this only where none of its configuration's workloads has an
    encrypted value.
    """
    found: list[str] = []
    for index, workload in enumerate(fleet.workloads):
        secrets = (
            [obj for obj in manifests_of(workload, files) if obj["kind"] == "Secret"] if workload.overrides else []
        )
        found += [
            f"workload {workload.name}: {place} sets {path} of a Secret, and "
            + (_BY_FACTS if evaluates(override, value) else _IN_CLEAR.format(path=f"{WORKLOADS}[{index}].{place}"))
            for number, override in enumerate(workload.overrides)
            if any(override.is_for(secret) for secret in secrets)
            for place, path, value in _values(f"overrides[{number}]", override)
            if value is not None and value != HIDDEN and carries_secret(path)
        ]
    return found


def refused_in_clear(workloads: list[tuple[int, Workload]]) -> list[Problem]:
    """Return a problem for each value of `secrets` in clear text in the stack file: the key requires encryption.

    Call this only where the file is read without its passphrase, so that encrypted values are `[secret]`, or in a
    program whose workloads have no encrypted value.
    """
    return [
        Problem(
            f"workloads[{index}].secrets[{number}].{path_text((part, key))}",
            "is in clear text in the stack file",
            "everyone who reads the repository has it, and Pulumi's CLI stores it so in its state and history",
            "set it with `pulumi config set --secret --path "
            f"'{WORKLOADS}[{index}].secrets[{number}].{path_text((part, key))}'`",
        )
        for index, workload in workloads
        for number, secret in enumerate(workload.secrets)
        for part, values in (("stringData", secret.string_data), ("data", secret.data))
        for key, value in values.items()
        if value.get_secret_value() != HIDDEN
    ]


def encrypted_secrets(stack_file: Path, base: Path) -> frozenset[tuple[str, str]]:
    """Return namespace and name of the Secrets whose values are encrypted in the stack file or in files with SOPS.

    Invalid parts are left out: the validation of the stack file reports them.

    Raises:
        FlotillaError: the stack file is missing or not YAML.
    """
    raw = placeholders(fleet_sections(stack_file)).get("workloads")
    files = ManifestFiles(base)
    found: set[tuple[str, str]] = set()
    for _, workload, _ in parse_list(Workload, raw, "workloads", []):
        if workload is None:
            continue
        objects = secret_objects(workload)
        for entry in manifest_files(workload.manifests, files):
            with suppress(UnreadableFile, ManifestError):
                objects += files.read(entry.file)
        found |= {
            (obj["metadata"].get("namespace") or workload.namespace, obj["metadata"]["name"])
            for obj in objects
            if obj["kind"] == "Secret" and is_veiled(obj)
        }
    return frozenset(found)


_IN_CLEAR = (
    "is in clear text in the stack file; Pulumi's CLI stores it so in its state and history: set it with "
    "`pulumi config set --secret --path '{path}'`"
)
_BY_FACTS = (
    "the members' facts are in clear text in the stack file; Pulumi's CLI stores them so in its state and history: "
    "give each cluster an override of its own, with its value set by `pulumi config set --secret --path`"
)


def _values(place: str, override: Override) -> Iterator[tuple[str, str, Any]]:
    """Yield each value that an override sets: its place in the workload, the field of the object, and the value."""
    for number, patch in enumerate(override.patches):
        yield f"{place}.patches[{number}].value", patch.path, patch.value
    for number, field in enumerate(override.fields):
        for step, patch in enumerate(field.patches):
            yield f"{place}.fields[{number}].patches[{step}].value", field.path, patch.value
