"""The result of a drift check, as data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from flotilla.karmada.waves.standing import HOLD_TEXT
from flotilla.kube.objects import Difference, Object, pointer_text, ref_of
from flotilla.kube.ownership import last_writer
from flotilla.kube.secrecy import shown


class Layer(StrEnum):
    """The layer in which a finding was made."""

    PLAN = "plan"
    """What was declared, compared with what the clusters have."""
    PROPAGATION = "propagation"
    """Policies, bindings and Works in the control plane."""
    MEMBERS = "members"
    """The objects in a member, compared with what Karmada sent."""


class Remedy(StrEnum):
    """What fixes a finding. The values are those of the JSON document."""

    UP = "up"
    """`flotilla up --refresh`."""
    KARMADA = "karmada"
    """Karmada fixes it by itself: it keeps trying."""
    MANUAL = "hand"
    """A person has to decide."""


@dataclass(frozen=True)
class Finding:
    """One difference between the fleet and what was declared."""

    layer: Layer
    rule: str
    """The kind of finding; docs/reference/drift.md lists them."""
    cluster: str
    object: str
    """Kind and name."""
    message: str
    path: str = ""
    """The field, in Pulumi's form of paths; an element of a list with a merge key is named by that key."""
    wanted: Any = None
    found: Any = None
    manager: str = ""
    """The manager that wrote the field last, if the API server knows it."""
    time: str = ""
    remedy: Remedy = Remedy.UP
    pointer: str = ""
    """The field as a JSON pointer, for `ignore`; an element of a list with a merge key is named by that key."""
    note: str = ""
    """Additional information about the finding."""

    @property
    def has_values(self) -> bool:
        """Whether the finding is about a field, and has its wanted or its found value."""
        return bool(self.path) and not (self.wanted is None and self.found is None)

    @property
    def key(self) -> tuple[str, ...]:
        """The identity of the finding: a second check has found the same if the keys are equal."""
        return (self.rule, self.cluster, self.object, self.path)

    def to_json(self) -> dict[str, Any]:
        """Return the finding for machines, without its empty fields."""
        body = {key: value for key, value in asdict(self).items() if value not in ("", None)}
        del body["remedy"]  # the document's first version calls it `mend`, which programs read
        return {**body, "mend": str(self.remedy), "layer": str(self.layer)}


@dataclass(frozen=True)
class Ignored:
    """A finding that the stack ignores, with the reason and the last day."""

    finding: Finding
    reason: str
    until: str
    """The last day on which it is ignored (YYYY-MM-DD)."""

    def to_json(self) -> dict[str, Any]:
        """Return the finding for machines, with `reason` and `until`."""
        return {**self.finding.to_json(), "reason": self.reason, "until": self.until}


@dataclass(frozen=True)
class Unknown:
    """A cluster that did not answer all requests, so that its drift is not known."""

    cluster: str
    reason: str


@dataclass(frozen=True)
class HeldBack:
    """Clusters that keep the old version of a workload until their wave. This difference is not drift."""

    workload: str
    clusters: tuple[str, ...]
    state: str
    """The state of the workload's change, in one line."""
    phase: str = ""

    @property
    def text(self) -> str:
        """The workload, its clusters and the state of the change, in one line."""
        return f"workload {self.workload}: {HOLD_TEXT}: {', '.join(self.clusters)} ({self.state})"

    def to_json(self) -> dict[str, Any]:
        """Return the clusters that are held back for machines."""
        return {**asdict(self), "clusters": list(self.clusters), "text": self.text}


@dataclass(frozen=True)
class DriftReport:
    """The result of a drift check of all clusters."""

    findings: tuple[Finding, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    clusters: tuple[str, ...] = ()
    """All clusters of the check, including those in `unknown`."""
    objects: int = 0
    """The number of objects that were compared."""
    seconds: float = field(default=0.0, compare=False)
    ignored: tuple[Ignored, ...] = ()
    """The findings that the stack ignores; they don't count as drift."""
    notices: tuple[str, ...] = ()
    """Notices about the stack's `drift.ignore`."""
    held_back: tuple[HeldBack, ...] = ()
    """What a rollout holds back on purpose; this is not drift."""

    @property
    def clean(self) -> bool:
        """Whether all clusters answered, and there is no finding that counts."""
        return not self.findings and not self.unknown

    def with_findings(self, findings: Iterable[Finding], *, seconds: float = 0.0) -> DriftReport:
        """Return the report with other findings, sorted; `seconds` is added to the duration of the check."""
        ordered = sorted(findings, key=lambda f: (list(Layer).index(f.layer), f.cluster, f.object, f.path))
        return replace(self, findings=tuple(ordered), seconds=self.seconds + seconds)

    def confirmed_by(self, second: DriftReport) -> DriftReport:
        """Return the second report with only the findings of both: work in progress of a controller is not drift."""
        again = {finding.key for finding in self.findings}
        kept = tuple(finding for finding in second.findings if finding.key in again)
        return replace(second, findings=kept, seconds=self.seconds + second.seconds)

    def to_json(self) -> dict[str, Any]:
        """Return the report for machines."""
        return {
            "clean": self.clean,
            "clusters": list(self.clusters),
            "objects": self.objects,
            "findings": [finding.to_json() for finding in self.findings],
            "unknown": [asdict(one) for one in self.unknown],
            "ignored": [one.to_json() for one in self.ignored],
            "notices": list(self.notices),
            "held": [one.to_json() for one in self.held_back],
        }


def changed(layer: Layer, rule: str, cluster: str, live: Object, difference: Difference, remedy: Remedy) -> Finding:
    """Return the finding for a field that differs, with its last writer. Values of Secrets are never shown."""
    wanted, found = (shown(live, difference.path, value) for value in (difference.wanted, difference.found))
    writer = last_writer(live, difference.path)
    return Finding(
        layer,
        rule,
        cluster,
        str(ref_of(live)),
        f"{difference.text} is not as {'declared' if layer is Layer.PLAN else 'sent'}",
        path=difference.text,
        pointer=pointer_text(difference.path),
        wanted=wanted,
        found=found,
        manager=writer.manager,
        time=writer.time,
        remedy=remedy,
    )
