"""Checks of the Secrets in a workload's `secrets` against its other objects."""

from __future__ import annotations

from flotilla.karmada.kinds import kind_of
from flotilla.stack.files import ManifestFiles
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.objects import as_written

_SECRET = ("", "Secret")


def check_secrets(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check that each Secret in a workload's `secrets` has a name that no other Secret of the workload has."""
    problems = []
    for index, workload in workloads:
        if not workload.secrets:
            continue
        try:
            taken = {
                obj["metadata"]["name"]: "its manifests"
                for obj in as_written(workload, files)
                if kind_of(obj) == _SECRET
                and (obj["metadata"].get("namespace") or workload.namespace) == workload.namespace
            }
        except ConfigError:
            continue
        for number, secret in enumerate(workload.secrets):
            if secret.name in taken:
                problems.append(
                    Problem(
                        f"workloads[{index}].secrets[{number}].name",
                        f"is also the name of a Secret in {taken[secret.name]}",
                        "one would overwrite the other",
                        "rename or remove one",
                        f'"{secret.name}"',
                    )
                )
            taken[secret.name] = f"secrets[{number}]"
    return problems
