"""Turns a stack's configuration into a Fleet, and reports all of its problems at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from flotilla.karmada.scheduling import ClusterFacts
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.stack.across import check_across, check_duplicates, check_modes, check_reachable
from flotilla.stack.clear_secrets import refused_in_clear
from flotilla.stack.clusters import KindCluster, check_clusters
from flotilla.stack.draining import drained
from flotilla.stack.drift import DriftSettings, check_drift_settings
from flotilla.stack.evaluation import evaluated
from flotilla.stack.extensions import check_components
from flotilla.stack.features import check_features, gates_of
from flotilla.stack.files import ManifestFiles, check_files
from flotilla.stack.fleet import ControlPlane, Fleet, facts
from flotilla.stack.helm import check_version
from flotilla.stack.members import Member
from flotilla.stack.names import check_member_names
from flotilla.stack.objects import ObjectGroup
from flotilla.stack.parsing import M, parse, parse_list
from flotilla.stack.policies import PolicySettings
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.rollout_strategy import RolloutStrategy
from flotilla.stack.stackfile import SECTIONS, TEXTS, fleet_sections, placeholders
from flotilla.stack.stacks import OtherStacks, check_sources, version_named
from flotilla.stack.workloads import Workload
from flotilla.workloads.control_plane_checks import check_groups
from flotilla.workloads.objects import check_objects
from flotilla.workloads.order import check_order
from flotilla.workloads.overridden import check_overridden_objects
from flotilla.workloads.policies import check_given, with_policies
from flotilla.workloads.readiness import check_ready
from flotilla.workloads.secret_checks import check_secrets


def parse_fleet(
    sections: dict[str, Any],
    *,
    base: Path | None = None,
    origin: str = "the stack's configuration",
    files: bool = True,
    manifests: ManifestFiles | None = None,
    as_written: bool = False,
) -> Fleet:
    """Validate a stack's sections and return its fleet.

    Args:
        sections: `controlPlane`, `rollout`, `policies`, `drift` (objects), `clusters`, `members`, `workloads`,
            `objects` (arrays), `membersFrom` (a stack's name), as plain JSON.
        base: the project's folder, to which paths are relative; None skips the checks of files and other stacks.
        origin: the name of the source in errors.
        files: check that the kubeconfigs, manifests and charts exist.
        manifests: the reader of manifests, for callers that use what it has read.
        as_written: nothing was decrypted: encrypted values are `[secret]`, and all other values are in clear text.

    Raises:
        ConfigError: the stack is invalid; the error has all problems.
    """
    problems = _unknown(sections)
    sections = {key: value for key, value in sections.items() if key not in TEXTS or isinstance(value, str)}
    control_plane: ControlPlane | None = None
    if sections.get("controlPlane") is None:
        problems.append(
            Problem("controlPlane", "is required", "there is no Karmada to join", "add its kubeconfig, helm or stack")
        )
    else:
        control_plane = parse(ControlPlane, sections["controlPlane"], "controlPlane", problems)
    clusters = parse_list(KindCluster, sections.get("clusters"), "clusters", problems)
    members = parse_list(Member, sections.get("members"), "members", problems)
    policies = parse(PolicySettings, sections.get("policies") or {}, "policies", problems)
    drift = parse(DriftSettings, sections.get("drift") or {}, "drift", problems)
    workloads, rollout = _workloads(sections, problems)
    read = (manifests or ManifestFiles(base)) if base is not None and files else None
    groups = _groups(sections, problems)
    stacks = OtherStacks(base, problems)
    others = stacks.members(sections.get("membersFrom"))
    version = (control_plane.version or stacks.version(control_plane.stack)) if control_plane else None
    karmada = Version.parse(version) if version else None
    workloads = _parts(workloads, read, problems, karmada)
    problems += check_across(members, workloads, others, karmada, rollout=rollout)
    named = [(i, name) for i, _, name in members if name]
    if drift:
        problems += check_drift_settings(drift, {name for _, name in named} | {other.name for other in others})
    problems += check_member_names(named, {other.name for other in others}, sections.get("membersFrom") or "")
    problems += check_duplicates("clusters", [(i, name) for i, _, name in clusters])
    valid_clusters = [(i, cluster) for i, cluster, _ in clusters if cluster]
    valid_workloads = [(i, workload) for i, workload, _ in workloads if workload]
    valid_members = [(i, member) for i, member, _ in members if member]
    placeable = [*(member for _, member in valid_members), *others] if len(valid_members) == len(members) else None
    by_member = [evaluated(f"workloads[{i}]", workload, placeable, karmada) for i, workload in valid_workloads]
    problems += [
        *(problem for _, found in by_member for problem in found),
        *check_clusters(valid_clusters),
        *(refused_in_clear(valid_workloads) if as_written else []),
    ]
    known = {cluster.name: cluster for _, cluster in valid_clusters}
    problems += check_sources(control_plane, valid_members, {name for _, _, name in clusters}, stacks)
    problems += check_reachable(valid_members, known)
    if control_plane:
        problems += check_modes(control_plane, valid_members, version)
        helm = control_plane.helm or (stacks.helm(control_plane.stack) if valid_workloads or groups else None)
        problems += check_features(valid_workloads, karmada, gates_of(helm) if helm else None, rollout)
        if control_plane.helm and karmada:
            problems += check_version(control_plane.helm, karmada)
    if base is not None and read is not None:
        problems += [
            *check_files(control_plane, valid_members, valid_workloads, base, read),
            *check_objects(valid_workloads, read),
            *check_given(valid_workloads, read),
            *check_overridden_objects(valid_workloads, read),
            *check_secrets(valid_workloads, read),
            *check_ready(valid_workloads, read, rollout),
            *check_components([(i, workload.components) for i, workload in valid_workloads], base),
        ]
        if control_plane:
            problems += check_groups(groups, valid_workloads, karmada, read, gates_of(helm) if helm else None)
    problems += check_order(valid_workloads, {name for _, _, name in workloads if name}, read)
    # The checks above are about what the file says. Karmada gets placements without the drained members.
    placed = drained(
        [(i, one) for (i, _), (one, _) in zip(valid_workloads, by_member, strict=True)], placeable or (), karmada
    )
    problems += placed.problems
    if problems or control_plane is None or policies is None or drift is None:
        raise ConfigError(problems, origin=origin)
    return Fleet(
        clusters=tuple(cluster for _, cluster in valid_clusters),
        control_plane=control_plane.model_copy(update={"version": version}),
        members=tuple(member for _, member in valid_members),
        members_from=sections.get("membersFrom") or None,
        workloads=placed.workloads,
        objects=tuple(group for _, group in groups),
        rollout=rollout,
        policies=policies,
        drift=drift,
    ).with_others(others, helm=helm, staying=tuple(map(str, placed.staying)))


def _workloads(
    sections: dict[str, Any], problems: list[Problem]
) -> tuple[list[tuple[int, Workload | None, str]], RolloutStrategy | None]:
    """Return the workloads, with the stack's `rollout` where they have none, and the stack's `rollout`."""
    section = sections.get("rollout")
    rollout = None if section is None else parse(RolloutStrategy, section, "rollout", problems)
    parsed = parse_list(Workload, sections.get("workloads"), "workloads", problems)
    return [(i, workload.with_rollout(rollout) if workload else None, name) for i, workload, name in parsed], rollout


def _parts(
    workloads: list[tuple[int, Workload | None, str]],
    files: ManifestFiles | None,
    problems: list[Problem],
    version: Version | None,
) -> list[tuple[int, Workload | None, str]]:
    """Return the workloads in the order of the file, with those that have policies split into their parts."""
    if files is None:
        return workloads
    invalid: list[tuple[int, Workload | None, str]] = [one for one in workloads if one[1] is None]
    parts = with_policies([(i, workload) for i, workload, _ in workloads if workload], files, problems, version)
    return sorted([*invalid, *((i, part, part.name) for i, part in parts)], key=lambda one: one[0])


def _groups(sections: dict[str, Any], problems: list[Problem]) -> list[tuple[int, ObjectGroup]]:
    """Return the valid groups of the control plane's own objects, by position in the file."""
    groups = parse_list(ObjectGroup, sections.get("objects"), "objects", problems)
    problems += check_duplicates("objects", [(i, name) for i, _, name in groups])
    return [(i, group) for i, group, _ in groups if group]


def _unknown(sections: dict[str, Any]) -> list[Problem]:
    """Return problems for unknown sections, and for sections that must be strings but aren't."""
    problems = [
        Problem(key, "is not a known key", "it would be ignored", f"known keys: {', '.join(SECTIONS)}")
        for key in sections
        if key not in SECTIONS
    ]
    problems += [
        Problem(
            key, "must be a text", "it could not be used as a stack's name", "quote it", json.dumps(sections[key])[:60]
        )
        for key in TEXTS
        if not isinstance(sections.get(key), str | None)
    ]
    return problems


def policy_settings(path: Path) -> PolicySettings:
    """Read only the policy settings of a stack file.

    Raises:
        ConfigError: the section is invalid; the error has all its problems.
        FlotillaError: the file is missing or not YAML.
    """
    return _section(PolicySettings, path, "policies")


def drift_settings(path: Path) -> DriftSettings:
    """Read only the drift settings of a stack file; a missing file means that nothing is ignored.

    Raises:
        ConfigError: the section is invalid; the error has all its problems.
        FlotillaError: the file is not YAML.
    """
    return _section(DriftSettings, path, "drift") if path.exists() else DriftSettings()


def _section(model: type[M], path: Path, name: str) -> M:
    problems: list[Problem] = []
    settings = parse(model, fleet_sections(path).get(name) or {}, name, problems)
    if settings is None:
        raise ConfigError(problems, origin=str(path))
    return settings


def other_members(path: Path, base: Path) -> tuple[ClusterFacts, ...]:
    """Read only the members of another stack that the stack's placements may choose (`membersFrom`)."""
    stack = fleet_sections(path).get("membersFrom")
    return tuple(facts(member) for member in OtherStacks(base, []).members(stack))


def karmada_version(path: Path, base: Path) -> str | None:
    """Read only Karmada's version: from the stack's file, or from the stack whose Karmada it uses.

    Returns:
        A version such as 1.18.2; None where none is given, or an unsupported one.

    Raises:
        FlotillaError: the file is missing or not YAML.
    """
    section = fleet_sections(path).get("controlPlane")
    stack = section.get("stack") if isinstance(section, dict) else None
    return version_named(section) or OtherStacks(base, []).version(stack if isinstance(stack, str) else None)


def karmada_of(path: Path, base: Path) -> Version:
    """Return the Karmada version whose rules apply to a stack: `karmada_version`, or the newest where none is given."""
    return known_version(karmada_version(path, base)) or SUPPORTED.newest


def load_stack_file(
    path: Path, *, base: Path | None = None, files: bool = True, manifests: ManifestFiles | None = None
) -> Fleet:
    """Validate a stack file (`stacks/Pulumi.<stack>.yaml`); encrypted values are taken as given, without a check.

    The arguments are those of `parse_fleet`.

    Raises:
        ConfigError: the stack is invalid; the error has all problems.
        FlotillaError: the file is missing or not YAML.
    """
    sections = placeholders(fleet_sections(path))
    return parse_fleet(sections, base=base, origin=str(path), files=files, manifests=manifests, as_written=True)
