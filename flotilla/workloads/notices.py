"""What the user should know of the files that workloads are made of."""

from __future__ import annotations

from contextlib import suppress

from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.workloads.control_plane import as_in_files
from flotilla.workloads.exported import dropped, notice
from flotilla.workloads.objects import as_written
from flotilla.workloads.sources.shape import SourceError


def left_out(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return what is left out of manifests that were exported from a cluster, a line for each workload and group."""
    listed = [(f"workload {workload.name}", as_written(workload, files)) for workload in fleet.workloads]
    listed += [(f"objects {group.name}", as_in_files(group, files)) for group in fleet.objects]
    found = []
    for owner, objects in listed:
        gone = [one for one in map(dropped, objects) if one]
        found += [notice(owner, gone)] if gone else []
    return found


def unopened(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return which files are encrypted with SOPS and were checked without their key, a line for each owner."""
    listed = [(f"workload {workload.name}", workload.manifests) for workload in fleet.workloads]
    listed += [(f"objects {group.name}", group.manifests) for group in fleet.objects]
    found = []
    for owner, manifests in listed:
        sealed = [entry.file for entry in manifest_files(manifests, files) if files.encrypted(entry.file)]
        if sealed:
            found.append(
                f"{owner}: {', '.join(sealed)}: encrypted with SOPS: names and keys are checked here, values are "
                "decrypted when a plan is made"
            )
    return found


def rendered_notices(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return what is to be known of how charts and kustomizations were rendered, a line each.

    Nothing is said of what can't be rendered: that is a problem of its own.
    """
    found: list[str] = []
    for workload in fleet.workloads:
        if workload.chart or workload.kustomize:
            with suppress(SourceError):
                made = files.renderings.of(workload)
                found += [f"workload {workload.name}: {one}" for one in made.notices]
    return found
