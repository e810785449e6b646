"""Notices about a fleet and the files of its workloads."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from flotilla.karmada.kinds import NAMESPACE, kind_of
from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.stack.notices import notices
from flotilla.stack.problems import ConfigError
from flotilla.stack.workloads import OnRemoval, Workload
from flotilla.workloads.control_plane import as_in_files
from flotilla.workloads.control_plane_notices import object_notices
from flotilla.workloads.exported import dropped, notice
from flotilla.workloads.objects import as_written, manifests_of
from flotilla.workloads.shared import shared_notices
from flotilla.workloads.sources.notes import without_secrets
from flotilla.workloads.sources.shape import SourceError


def fleet_notices(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return the notices about a whole fleet before an `up`, a line each, as plans and `validate` show them."""
    return [
        *notices(fleet),
        *shared_notices(fleet, files),
        *object_notices(fleet, files),
        *left_out(fleet, files),
        *rendered_notices(fleet, files),
        *namespace_conflicts(fleet, files),
    ]


def namespace_conflicts(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return a notice for copies that should stay (`onRemoval: keep`) in a namespace that another workload removes.

    Manifests that can't be read are skipped: they are a problem of their own.
    """
    if all(workload.on_removal is OnRemoval.DELETE for workload in fleet.workloads):
        return []
    objects = {}
    with suppress(ConfigError):
        objects = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    makers = {
        str(obj["metadata"]["name"]): workload.name
        for workload in fleet.workloads
        for obj in objects.get(workload.name, ())
        if workload.on_removal is OnRemoval.DELETE and kind_of(obj) == NAMESPACE
    }
    found = {
        (workload.name, makers[namespace], namespace)
        for workload in fleet.workloads
        for obj in objects.get(workload.name, ())
        if workload.on_removal is OnRemoval.KEEP and (namespace := obj["metadata"].get("namespace")) in makers
    }
    return [
        f"workload {name}: its copies in namespace {namespace} should stay (`onRemoval: keep`), but are deleted with "
        f"that namespace when workload {maker} is removed: add `onRemoval: keep` to {maker} too"
        for name, maker, namespace in sorted(found)
    ]


def left_out(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return a line for each workload and group about fields that are removed from exported manifests."""
    listed = [(f"workload {workload.name}", as_written(workload, files)) for workload in fleet.workloads]
    listed += [(f"objects {group.name}", as_in_files(group, files)) for group in fleet.objects]
    found = []
    for owner, objects in listed:
        gone = [one for one in map(dropped, objects) if one]
        found += [notice(owner, gone)] if gone else []
    return found


def unopened(fleet: Fleet, files: ManifestFiles) -> list[str]:
    """Return a line for each owner of files that are encrypted with SOPS and were checked without their key."""
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
    """Return the notices about the rendering of charts and kustomizations, a line each.

    Sources that can't be rendered are skipped: they are a problem of their own.
    """
    found: list[str] = []
    for workload in fleet.workloads:
        if workload.is_rendered:
            with suppress(SourceError):
                made = files.renderings.of(workload)
                found += [f"workload {workload.name}: {one}" for one in made.notices]
    return found


def chart_notes(workloads: Iterable[Workload], files: ManifestFiles) -> dict[str, str]:
    """Return the notes of charts' authors for those who install them (NOTES.txt), by workload; of each release once.

    Secrets that this process knows are replaced by `[secret]`. A chart that can't be rendered has no notes.
    """
    found: dict[str, str] = {}
    known: set[tuple[str, str]] = set()
    for workload in workloads:
        if workload.chart:
            with suppress(SourceError):
                notes = without_secrets(files.renderings.of(workload).notes)
                # The parts of a workload with policies belong to one release.
                if notes and (workload.release, notes) not in known:
                    known.add((workload.release, notes))
                    found[workload.name] = notes
    return found
