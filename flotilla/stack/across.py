"""Rules that concern several parts of a fleet, so that no part can check them by itself."""

from __future__ import annotations

from collections import Counter

from flotilla.karmada.versions import Version
from flotilla.stack.clusters import KindCluster, is_loopback
from flotilla.stack.fleet import ControlPlane
from flotilla.stack.members import JoinMode, Member
from flotilla.stack.problems import Problem
from flotilla.stack.reach import check_reach
from flotilla.stack.rollout_checks import check_rollouts
from flotilla.stack.rollout_strategy import RolloutStrategy
from flotilla.stack.workloads import Workload


def check_across(
    members: list[tuple[int, Member | None, str]],
    workloads: list[tuple[int, Workload | None, str]],
    others: tuple[Member, ...] = (),
    version: Version | None = None,
    *,
    rollout: RolloutStrategy | None = None,
) -> list[Problem]:
    """Check the rules that concern several parts of a fleet.

    Each entry is a position in the file, the part (None where the part itself is invalid) and its name. So a member
    that is invalid itself is not also reported as unknown. `others` are the members of another stack, `version` is
    Karmada's version where it is known, `rollout` is the stack's own rollout strategy.
    """
    problems = check_duplicates("members", [(i, name) for i, _, name in members])
    problems += check_duplicates("workloads", [(i, name) for i, _, name in workloads])
    problems += _check_former_names("members", [(i, m.formerly if m else None, name) for i, m, name in members])
    problems += _check_former_names("workloads", [(i, w.formerly if w else None, name) for i, w, name in workloads])
    known = {name for _, _, name in members if name} | {member.name for member in others}
    complete = all(member for _, member, _ in members)
    valid = [*(member for _, member, _ in members if member), *others] if complete else None
    for index, workload, _ in workloads:
        if workload:
            problems += check_reach(f"workloads[{index}]", workload, known, valid, version)
    found = [(i, workload) for i, workload, _ in workloads if workload]
    return problems + check_rollouts(found, rollout, known, valid, version)


def _check_former_names(section: str, entries: list[tuple[int, str | None, str]]) -> list[Problem]:
    """Check that a former name isn't in use, and only one entry gives it. Entries: position, former name, name."""
    present = {name for _, _, name in entries}
    problems = []
    taken: dict[str, str] = {}
    for index, former, name in entries:
        if not former:
            continue
        first = taken.setdefault(former, name)
        rule = ""
        if former in present and former != name:
            rule = f"is the name of another of the stack's {section}"
        elif first != name:
            rule = f"is the former name of {first!r} too"
        if rule:
            problems.append(
                Problem(
                    f"{section}[{index}].formerly",
                    rule,
                    "it would not be clear whose objects are taken over",
                    "give the name that this one had, or remove the key",
                    f'"{former}"',
                )
            )
    return problems


def check_modes(control_plane: ControlPlane, members: list[tuple[int, Member]], version: str | None) -> list[Problem]:
    """Check what the agent of a pull member needs from the control plane."""
    problems = []
    for index, member in members:
        if member.mode is not JoinMode.PULL:
            continue
        if version is None:
            problems.append(
                Problem(
                    "controlPlane.version",
                    f"is needed: {member.name} joins in pull mode",
                    "the agent's version and arguments follow Karmada's",
                    "add it, with the patch release: `version: 1.18.2`",
                )
            )
        helm = control_plane.helm
        if helm and _is_loopback(helm.endpoint.address) and not member.agent.control_plane_endpoint:
            problems.append(
                Problem(
                    f"members[{index}].mode",
                    f"its agent can't reach Karmada at {helm.endpoint.url}",
                    "the member would never become Ready",
                    "publish Karmada at an address that pods reach, or give agent.controlPlaneEndpoint",
                    '"Pull"',
                )
            )
    return list(dict.fromkeys(problems))


def check_reachable(members: list[tuple[int, Member]], clusters: dict[str, KindCluster]) -> list[Problem]:
    """Check that Karmada's pods can reach the kind clusters that are push members."""
    problems = []
    for index, member in members:
        cluster = clusters.get(member.kubeconfig.cluster or "")
        if not cluster or member.mode is not JoinMode.PUSH or member.api_endpoint or not is_loopback(cluster):
            continue
        problems.append(
            Problem(
                f"members[{index}].kubeconfig.cluster",
                f"{cluster.name} listens on {cluster.networking.api_server_address}, which pods can't reach",
                "the member would never become Ready",
                f"add `apiEndpoint: {cluster.inner_endpoint}` where Karmada runs in a kind cluster too, "
                "or give networking.apiServerAddress an address of this machine",
                f'"{cluster.name}"',
            )
        )
    return problems


def _is_loopback(host: str) -> bool:
    return host == "localhost" or host.startswith("127.") or host == "::1"


def check_duplicates(section: str, names: list[tuple[int, str]]) -> list[Problem]:
    """Check that no name occurs twice in a section."""
    counts = Counter(name for _, name in names if name)
    return [
        Problem(
            f"{section}[{index}].name",
            "must be unique",
            "two objects would fight over one name",
            "rename one of them",
            f'"{name}"',
        )
        for index, name in names
        if counts[name] > 1
    ]
