"""A stack's whole fleet, and the rules that hold across its parts."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from flotilla.config.clusters import KindCluster, is_loopback
from flotilla.config.credentials import Kubeconfig
from flotilla.config.helm import HelmControlPlane
from flotilla.config.members import JoinMode, Member
from flotilla.config.policies import PolicySettings
from flotilla.config.problems import ConfigModel, Problem, refuse
from flotilla.config.workloads import Placement, Workload
from flotilla.karmada.placement import ClusterFacts, matches
from flotilla.karmada.versions import SUPPORTED, Version


def _version(value: str) -> str:
    try:
        version = Version.parse(value)
    except ValueError:
        raise refuse("must be a version such as 1.18 or 1.18.2", remedy="read it with `karmadactl version`") from None
    if not SUPPORTED.covers(version):
        raise refuse(
            f"must be between {SUPPORTED}",
            consequence="objects of another version's API could be refused or mean something else",
            remedy="use a Karmada in this range",
        )
    return value


class ControlPlane(ConfigModel):
    """Karmada itself: one that exists, one that this stack installs, or the one of another stack."""

    kubeconfig: Kubeconfig | None = Field(
        default=None, description="Administrator's credentials for the API server of a Karmada that exists."
    )
    helm: HelmControlPlane | None = Field(default=None, description="Install Karmada by its Helm chart.")
    stack: str | None = Field(default=None, description="Use the Karmada of another stack of this project.")
    protect: bool = Field(default=False, description="Refuse to delete it until this is false again.")
    version: Annotated[str, AfterValidator(_version)] | None = Field(
        default=None, description="Karmada's version; which one is installed, with `helm`."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if [self.kubeconfig, self.helm, self.stack].count(None) != 2:  # noqa: PLR2004 - one of three is given
            raise refuse(
                "needs exactly one of 'kubeconfig', 'helm' and 'stack'",
                consequence="it would not be clear which Karmada is meant",
                remedy="keep one of them",
            )
        if self.helm and not (self.version and re.fullmatch(r"v?\d+\.\d+\.\d+", self.version)):
            raise refuse(
                "'helm' needs 'version' with its patch release",
                consequence="no image could be pinned",
                remedy="add `version: 1.18.2`",
            )
        return self

    @property
    def release(self) -> str:
        """The version that is installed, without a leading v; empty where none is named."""
        return (self.version or "").removeprefix("v")


class Fleet(ConfigModel):
    """Everything that a stack declares."""

    clusters: tuple[KindCluster, ...] = Field(default=(), description="Clusters that this stack makes with kind.")
    control_plane: ControlPlane = Field(description="Karmada itself.")
    members: tuple[Member, ...] = Field(default=(), description="The clusters that join.")
    members_from: str | None = Field(default=None, description="Another stack of this project, whose members they are.")
    workloads: tuple[Workload, ...] = Field(default=(), description="What runs, and where.")
    policies: PolicySettings = Field(default_factory=PolicySettings, description="How the stack wants its policies.")

    _others: tuple[Member, ...] = PrivateAttr(default=())

    def with_others(self, members: tuple[Member, ...]) -> Self:
        """Return this fleet with the members of the stack that `membersFrom` names, for placements to choose."""
        self._others = members
        return self

    @property
    def placeable(self) -> tuple[Member, ...]:
        """Every member that a placement may choose."""
        return self.members + self._others

    def member(self, name: str) -> Member:
        """Return a member by name; KeyError if there is none."""
        for member in self.placeable:
            if member.name == name:
                return member
        raise KeyError(name)

    def chosen(self, placement: Placement) -> list[Member]:
        """Return the members that a placement chooses, in file order."""
        affinity = affinity_of(placement)
        return [member for member in self.placeable if matches(facts(member), affinity)]


def affinity_of(placement: Placement) -> dict[str, object]:
    """Return Karmada's ClusterAffinity (policy/v1alpha1) for a placement."""
    affinity: dict[str, object] = {}
    if placement.clusters:
        affinity["clusterNames"] = list(placement.clusters)
    if placement.exclude:
        affinity["exclude"] = list(placement.exclude)
    if placement.labels:
        affinity["labelSelector"] = {"matchLabels": dict(placement.labels)}
    expressions = [
        {"key": key, "operator": "In", "values": list(values)}
        for key, values in (
            ("provider", placement.providers),
            ("region", placement.regions),
            ("zone", placement.zones),
        )
        if values
    ]
    if expressions:
        affinity["fieldSelector"] = {"matchExpressions": expressions}
    return affinity


def facts(member: Member) -> ClusterFacts:
    """Return what a placement can ask about a member."""
    return ClusterFacts(member.name, dict(member.labels), member.provider or "", member.region or "", member.zones)


def check_across(
    members: list[tuple[int, Member | None, str]],
    workloads: list[tuple[int, Workload | None, str]],
    others: tuple[Member, ...] = (),
) -> list[Problem]:
    """Check what no part can check by itself.

    Each entry is a position in the file, the part (None where it is invalid by itself) and its name, so that a
    member with a mistake of its own is not also reported as unknown. `others` are the members of another stack.
    """
    problems = check_duplicates("members", [(i, name) for i, _, name in members])
    problems += check_duplicates("workloads", [(i, name) for i, _, name in workloads])
    known = {name for _, _, name in members if name} | {member.name for member in others}
    complete = all(member for _, member, _ in members)
    for index, workload, _ in workloads:
        if workload:
            path = f"workloads[{index}]"
            valid = [*(member for _, member, _ in members if member), *others]
            problems += _check_placement(f"{path}.placement", workload.placement, known, valid if complete else None)
            problems += _check_overrides(path, workload, known, valid if complete else None)
    return problems


def check_modes(control_plane: ControlPlane, members: list[tuple[int, Member]], version: str | None) -> list[Problem]:
    """Check what an agent in a member needs of the control plane."""
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
    """Check that Karmada's pods reach the kind clusters that it is to dial."""
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
    """Check that every name of a section stands once."""
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


def _unknown(path: str, names: tuple[str, ...] | list[str], known: set[str]) -> list[Problem]:
    return [
        Problem(
            f"{path}[{i}]" if not path.endswith("weights") else f"{path}.{name}",
            "is not a member of this stack",
            "the workload would wait for a cluster that never comes",
            f"use one of {', '.join(sorted(known)) or '(there are no members)'}, or add it to members",
            f'"{name}"',
        )
        for i, name in enumerate(names)
        if name not in known
    ]


def _check_placement(path: str, placement: Placement, known: set[str], members: list[Member] | None) -> list[Problem]:
    problems = _unknown(f"{path}.clusters", placement.clusters, known)
    problems += _unknown(f"{path}.exclude", placement.exclude, known)
    problems += _unknown(f"{path}.weights", list(placement.weights), known)
    if members is None or problems:
        return problems
    affinity = affinity_of(placement)
    chosen = [member.name for member in members if matches(facts(member), affinity)]
    if not chosen:
        problems.append(
            Problem(
                path,
                "chooses no member of this stack",
                "the workload would run nowhere",
                "loosen the conditions, or label a member so that it matches",
            )
        )
        return problems
    for name in placement.weights:
        if name not in chosen:
            problems.append(
                Problem(
                    f"{path}.weights.{name}",
                    "has a weight but the placement doesn't choose it",
                    "it would get no replica",
                    "add it to the placement or drop the weight",
                    str(placement.weights[name]),
                )
            )
    if placement.weights:
        problems += [
            Problem(
                f"{path}.weights",
                f"has no weight for {name!r}, which the placement chooses",
                "Karmada gives a cluster without a weight no replica",
                f"add `{name}: 1`",
            )
            for name in chosen
            if name not in placement.weights
        ]
    return problems


def _check_overrides(path: str, workload: Workload, known: set[str], members: list[Member] | None) -> list[Problem]:
    problems: list[Problem] = []
    affinity = affinity_of(workload.placement)
    chosen = {member.name for member in members or [] if matches(facts(member), affinity)}
    for index, override in enumerate(workload.overrides):
        where = f"{path}.overrides[{index}].clusters"
        problems += _unknown(where, override.clusters, known)
        problems += [
            Problem(
                f"{where}[{i}]",
                "is overridden but the placement doesn't choose it",
                "the override would do nothing",
                "add it to the placement or drop it here",
                f'"{name}"',
            )
            for i, name in enumerate(override.clusters)
            if members is not None and name in known and name not in chosen
        ]
    return problems
