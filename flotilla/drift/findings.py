"""What a look for drift came to."""

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
    """Where something was found."""

    PLAN = "plan"
    """What was declared, against what the clusters hold."""
    PROPAGATION = "propagation"
    """Policies, bindings and Works in the control plane."""
    MEMBERS = "members"
    """Objects in a member, against what Karmada sent."""


class Remedy(StrEnum):
    """What fixes a finding. The values are those of the JSON document."""

    UP = "up"
    """`flotilla up --refresh`."""
    KARMADA = "karmada"
    """Karmada itself, which keeps trying."""
    MANUAL = "hand"
    """Somebody has to decide."""


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it should be."""

    layer: Layer
    rule: str
    """What kind of finding it is, one of docs/reference/drift.md."""
    cluster: str
    object: str
    """Kind and name."""
    message: str
    path: str = ""
    """The field, as Pulumi writes paths; an element that its list knows by a key is named by it."""
    wanted: Any = None
    found: Any = None
    manager: str = ""
    """Who wrote the field last, if the server knows."""
    time: str = ""
    remedy: Remedy = Remedy.UP
    pointer: str = ""
    """The field as a JSON pointer, for `ignore`; an element that its list knows by a key is named by it."""
    note: str = ""
    """What else is to be known of it."""

    @property
    def has_values(self) -> bool:
        """A field has another value than it should, and both are known."""
        return bool(self.path) and not (self.wanted is None and self.found is None)

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same finding in a second look."""
        return (self.rule, self.cluster, self.object, self.path)

    def to_json(self) -> dict[str, Any]:
        """Return the finding for machines; fields that say nothing are left out."""
        body = {key: value for key, value in asdict(self).items() if value not in ("", None)}
        del body["remedy"]  # its name in the first version of the document is `mend`, and programs read it
        return {**body, "mend": str(self.remedy), "layer": str(self.layer)}


@dataclass(frozen=True)
class Ignored:
    """A finding that the stack ignores, why and until when."""

    finding: Finding
    reason: str
    until: str
    """The last day on which it is ignored (YYYY-MM-DD)."""

    def to_json(self) -> dict[str, Any]:
        """Return it for machines: the finding, with `reason` and `until`."""
        return {**self.finding.to_json(), "reason": self.reason, "until": self.until}


@dataclass(frozen=True)
class Unknown:
    """A cluster that could not be asked, or not all of it: nothing is said about what is there."""

    cluster: str
    reason: str


@dataclass(frozen=True)
class HeldBack:
    """Clusters that keep what they ran until their wave: they differ from what is declared on purpose."""

    workload: str
    clusters: tuple[str, ...]
    state: str
    """Where the workload's change stands, in one line."""
    phase: str = ""

    @property
    def text(self) -> str:
        """It in one line."""
        return f"workload {self.workload}: {HOLD_TEXT}: {', '.join(self.clusters)} ({self.state})"

    def to_json(self) -> dict[str, Any]:
        """Return it for machines."""
        return {**asdict(self), "clusters": list(self.clusters), "text": self.text}


@dataclass(frozen=True)
class DriftReport:
    """A whole look."""

    findings: tuple[Finding, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    clusters: tuple[str, ...] = ()
    """Every cluster that was to be asked."""
    objects: int = 0
    """How many objects were compared."""
    seconds: float = field(default=0.0, compare=False)
    ignored: tuple[Ignored, ...] = ()
    """What was found and doesn't count, since the stack ignores it."""
    notices: tuple[str, ...] = ()
    """What is to be known of the stack's `ignore`."""
    held: tuple[HeldBack, ...] = ()
    """What a rollout holds back on purpose, which is no drift."""

    @property
    def clean(self) -> bool:
        """Everything could be asked, and nothing was found that counts."""
        return not self.findings and not self.unknown

    def with_findings(self, findings: Iterable[Finding], *, seconds: float = 0.0) -> DriftReport:
        """Return the report with other findings, in their order; `seconds` is what finding them took."""
        ordered = sorted(findings, key=lambda f: (list(Layer).index(f.layer), f.cluster, f.object, f.path))
        return replace(self, findings=tuple(ordered), seconds=self.seconds + seconds)

    def confirmed_by(self, second: DriftReport) -> DriftReport:
        """Keep what a second look found too: a controller at work is no drift."""
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
            "held": [one.to_json() for one in self.held],
        }


def changed(layer: Layer, rule: str, cluster: str, live: Object, difference: Difference, remedy: Remedy) -> Finding:
    """Return the finding of a field that differs, with its last writer; values of Secrets are never shown."""
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
