"""Objects that members have already and that Karmada doesn't manage: what a plan that would send them does to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flotilla.plan.changes import change_text
from flotilla.plan.coming import ABORT, OVERWRITE
from flotilla.state.diff import Change
from flotilla.state.values import mask

_NAMES = {"kubectl-client-side-apply": "kubectl", "kubectl-create": "kubectl", "before-first-apply": "kubectl"}
_RESTARTED = {"Deployment", "StatefulSet", "DaemonSet"}
"""Kinds whose pods are replaced when their pod template changes."""
_POD_TEMPLATE = ("spec", "template")


class Outcome(StrEnum):
    """What becomes of an object that a member has already."""

    STOPS = "stops"
    """Karmada would not apply the copy (Abort), so that `up` does nothing of the workload."""
    TAKES_OVER = "takes-over"
    """Karmada writes over it (Overwrite)."""
    IMPOSSIBLE = "impossible"
    """It is to be taken over, and the API doesn't allow the change."""
    STAYS = "stays"
    """A Namespace that no policy sends: Karmada leaves it as it is, and copies get into it."""
    UNCERTAIN = "uncertain"
    """Whether Karmada takes it over hangs on which policy it looks at last."""


@dataclass(frozen=True)
class InMember:
    """An object that a member has already."""

    cluster: str
    workload: str
    urn: str
    """The workload's."""
    object: str
    """Kind, namespace and name."""
    resolution: str
    """What Karmada does about it: Abort, Overwrite or `uncertain`; empty for a Namespace that no policy sends."""
    managers: tuple[str, ...] = ()
    """Who has written its fields, as the API server names them."""
    looks: tuple[str, ...] = ()
    """What it is like: replicas and images."""
    changes: tuple[Change, ...] = ()
    """What being taken over changes of it."""
    judged: bool = True
    """Whether the member has judged that; else only fields that are declared were compared."""
    refusal: str = ""
    """Why it can't be taken over."""
    note: str = ""
    """What else is to be known of it."""

    @property
    def kind(self) -> str:
        """Its kind."""
        return self.object.partition(" ")[0]

    @property
    def outcome(self) -> Outcome:
        """What becomes of it."""
        if self.resolution == OVERWRITE:
            return Outcome.IMPOSSIBLE if self.refusal else Outcome.TAKES_OVER
        if self.resolution == ABORT:
            return Outcome.STOPS
        return Outcome.UNCERTAIN if self.resolution else Outcome.STAYS

    @property
    def restarts(self) -> bool:
        """Whether being taken over replaces its pods."""
        return self.kind in _RESTARTED and any(change.path[:2] == _POD_TEMPLATE for change in self.changes)

    @property
    def text(self) -> str:
        """Say in one line what is there, what becomes of it, and what being taken over changes."""
        by = ", ".join(dict.fromkeys(_NAMES.get(name, name) for name in self.managers))
        there = "; ".join(part for part in (f"by {by}" if by else "", ", ".join(self.looks)) if part)
        said = [f"{self.object} is there already{f' ({there})' if there else ''}"]
        match self.outcome:
            case Outcome.STOPS:
                said.append("conflictResolution Abort: Karmada would not apply it, `up` would stop")
                said.append(f"can't be taken over either: {self.refusal}" if self.refusal else self._would)
            case Outcome.TAKES_OVER:
                said.append(f"is taken over (Overwrite): {self._effect}")
            case Outcome.IMPOSSIBLE:
                said.append(f"can't be taken over: {self.refusal}")
            case Outcome.STAYS:
                said.append("Karmada leaves a Namespace that it has not made as it is, and puts copies into it")
            case Outcome.UNCERTAIN:
                said.append("whether Karmada takes it over hangs on which of the policies it looks at last")
                said.append(self._would)
        return "; ".join(part for part in (*said, self.note) if part)

    @property
    def _would(self) -> str:
        return f"with Overwrite: {self._effect}"

    @property
    def _effect(self) -> str:
        """Say what being taken over does to it."""
        unsure = "" if self.judged else "of the declared fields (the member was not asked for more) "
        what = f"{unsure}{'; '.join(map(change_text, self.changes)) or 'nothing changes'}"
        if self.kind not in _RESTARTED:
            return what
        return f"{what}; {'the pod template changes: its pods restart' if self.restarts else 'no pod restarts'}"

    @property
    def sentence(self) -> str:
        """Say why it keeps the plan from being carried out as it stands; with the cluster."""
        return f"{self.cluster}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        """Return it for machines; secrets masked."""
        return {
            "cluster": self.cluster,
            "workload": self.workload,
            "object": self.object,
            "managers": list(self.managers),
            "looks": list(self.looks),
            "conflictResolution": self.resolution,
            "outcome": str(self.outcome),
            "changes": [
                {"path": one.text, "kind": str(one.kind), "old": mask(one.old), "new": mask(one.new)}
                for one in self.changes
            ],
            "judged": self.judged,
            "restarts": self.restarts,
            **({"refusal": self.refusal} if self.refusal else {}),
            **({"note": self.note} if self.note else {}),
            "text": self.text,
        }
