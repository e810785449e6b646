"""A stack's whole fleet."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from flotilla.karmada.scheduling import Choice, ClusterFacts, Scheduler, Taint, choose, matches
from flotilla.karmada.selection import OVERRIDES
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import ObjectRef, ref_of
from flotilla.stack.clusters import KindCluster
from flotilla.stack.credentials import Kubeconfig
from flotilla.stack.drift import DriftSettings
from flotilla.stack.helm import HelmControlPlane
from flotilla.stack.members import Member
from flotilla.stack.objects import ObjectGroup
from flotilla.stack.placement import Placement
from flotilla.stack.policies import PolicySettings
from flotilla.stack.problems import ConfigModel, refuse
from flotilla.stack.rollout_strategy import RolloutStrategy
from flotilla.stack.specs import affinities_of, placement_of
from flotilla.stack.workloads import Workload


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
    """The Karmada of this stack: an existing one, one that the stack installs, or that of another stack.

    Exactly one of `kubeconfig`, `helm` and `stack`.
    """

    kubeconfig: Kubeconfig | None = Field(
        default=None, description="Administrator's credentials for the API server of an existing Karmada."
    )
    helm: HelmControlPlane | None = Field(default=None, description="Install Karmada by its Helm chart.")
    stack: str | None = Field(
        default=None, description="Name of another stack of this project, whose Karmada this stack uses."
    )
    protect: bool = Field(default=False, description="Refuse to delete Karmada while this is true.")
    version: Annotated[str, AfterValidator(_version)] | None = Field(
        default=None,
        description="Karmada's version. With `helm` it is the version that is installed. Needed for "
        "pull-mode members and for keys that only some versions have. Plans, waits and policies "
        "use the rules of this version, and those of the newest where it is left out. Default "
        "with `stack`: the version of that stack.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if [self.kubeconfig, self.helm, self.stack].count(None) != 2:  # noqa: PLR2004 - one of three is given
            raise refuse(
                "needs exactly one of 'kubeconfig', 'helm' and 'stack'",
                consequence="it would be unclear which Karmada to use",
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
        """The version to install, without a leading v; empty where none is given."""
        return (self.version or "").removeprefix("v")


class Fleet(ConfigModel):
    """The configuration of a stack: its clusters, Karmada, the members and their workloads."""

    clusters: tuple[KindCluster, ...] = Field(default=(), description="Clusters that this stack creates with kind.")
    control_plane: ControlPlane = Field(description="The Karmada of this stack.")
    members: tuple[Member, ...] = Field(default=(), description="The clusters that join Karmada.")
    members_from: str | None = Field(
        default=None,
        description="Name of another stack of this project. Workloads of this stack may be placed on its members.",
    )
    workloads: tuple[Workload, ...] = Field(
        default=(), description="The workloads, and the clusters in which each runs."
    )
    objects: tuple[ObjectGroup, ...] = Field(
        default=(),
        description="Objects that have their effect in the control plane itself, such as autoscalers, "
        "quotas, interpreters and rights.",
    )
    policies: PolicySettings = Field(
        default_factory=PolicySettings, description="Levels, exemptions and limits of the project's policies."
    )
    rollout: RolloutStrategy | None = Field(
        default=None, description="How changes reach clusters, for each workload without a `rollout` of its own."
    )
    drift: DriftSettings = Field(default_factory=DriftSettings, description="Findings of drift that don't count.")

    _others: tuple[Member, ...] = PrivateAttr(default=())
    _helm: HelmControlPlane | None = PrivateAttr(default=None)
    _staying: tuple[str, ...] = PrivateAttr(default=())

    def with_others(
        self, members: tuple[Member, ...], *, helm: HelmControlPlane | None, staying: tuple[str, ...] = ()
    ) -> Self:
        """Return this fleet, with facts that come from other stacks stored in it.

        Args:
            members: the members of the stack that `membersFrom` names, which placements may choose too.
            helm: how a stack of this project installs this Karmada: from this its feature gates are known and checked.
            staying: a line for each workload that stays in a drained member, with the reason.
        """
        self._others, self._helm, self._staying = members, helm, staying
        return self

    @property
    def staying(self) -> tuple[str, ...]:
        """A line for each workload that stays in a drained member, with the reason."""
        return self._staying

    @property
    def gates_known(self) -> bool:
        """Whether Karmada's feature gates are known, and therefore checked."""
        return self._helm is not None

    @property
    def installed(self) -> ControlPlane:
        """The control plane, with the `helm` of the stack of this project that installs it."""
        return self.control_plane.model_copy(update={"helm": self._helm})

    @property
    def placeable(self) -> tuple[Member, ...]:
        """Every member that a placement may choose."""
        return self.members + self._others

    @property
    def karmada(self) -> Version | None:
        """Karmada's version; None where none is given."""
        release = self.control_plane.release
        return Version.parse(release) if release else None

    @property
    def given_overrides(self) -> list[ObjectRef]:
        """The override policies that users wrote, of all workloads."""
        policies = (policy for one in self.workloads if one.given for policy in one.given.declares)
        return [ref_of(policy) for policy in policies if policy["kind"] in OVERRIDES]

    def member(self, name: str) -> Member:
        """Return a member by name; raise KeyError if there is none."""
        for member in self.placeable:
            if member.name == name:
                return member
        raise KeyError(name)

    def choice(self, placement: Placement) -> Choice:
        """Return the members to which Karmada schedules a new workload, and those that a declared taint keeps out."""
        clusters = [facts(member) for member in self.placeable]
        return choose(clusters, placement_of(placement), scheduler=Scheduler.of(self.karmada))

    def chosen(self, placement: Placement) -> list[Member]:
        """Return the members that any group of a placement matches, in the order of the file, whatever their taints."""
        return [member for member in self.placeable if may_run_in(facts(member), placement, self.karmada)]


def may_run_in(cluster: ClusterFacts, placement: Placement, version: Version | None = None) -> bool:
    """Return whether a placement may choose a cluster, by any of its groups, whatever the cluster's taints.

    Args:
        cluster: the cluster.
        placement: the placement.
        version: Karmada's version, which decides the meaning of `zones`; None (not known) means the newest.
    """
    return any(matches(cluster, affinity, version or SUPPORTED.newest) for affinity in affinities_of(placement))


def facts(member: Member) -> ClusterFacts:
    """Return the facts of a member that a placement can use."""
    taints = tuple(Taint(taint.key, taint.value, taint.effect.value) for taint in member.all_taints)
    return ClusterFacts(
        member.name, dict(member.labels), member.provider or "", member.region or "", member.zones, taints
    )
