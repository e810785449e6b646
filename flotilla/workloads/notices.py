"""What the user should know of the files that workloads are made of."""

from __future__ import annotations

from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.workloads.exported import dropped, notice
from flotilla.workloads.objects import as_written


def left_out(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return what is left out of manifests that were exported from a cluster, a line for each workload."""
    found = []
    for workload in fleet.workloads:
        gone = [one for one in map(dropped, as_written(workload, files)) if one]
        found += [notice(workload.name, gone)] if gone else []
    return found


def unopened(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return which files are encrypted with SOPS and were checked without their key, a line for each workload."""
    found = []
    for workload in fleet.workloads:
        sealed = [entry.file for entry in manifest_files(workload.manifests, files) if files.encrypted(entry.file)]
        if sealed:
            found.append(
                f"workload {workload.name}: {', '.join(sealed)}: encrypted with SOPS: names and keys are checked here, "
                "values are decrypted when a plan is made"
            )
    return found
