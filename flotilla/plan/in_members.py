"""Objects that members already have and Karmada doesn't manage: the effect of a plan that would send them."""

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
    """What happens to an object that a member already has."""

    STOPS = "stops"
    """Karmada would not apply the copy (Abort), so `up` doesn't change the workload."""
    TAKES_OVER = "takes-over"
    """Karmada overwrites it (Overwrite)."""
    IMPOSSIBLE = "impossible"
    """It should be taken over, but the API doesn't allow the change."""
    STAYS = "stays"
    """A Namespace that no policy sends: Karmada leaves it unchanged, and puts copies into it."""
    UNCERTAIN = "uncertain"
    """Whether Karmada takes it over depends on which policy it processes last."""


@dataclass(frozen=True)
class InMember:
    """An object that a member already has."""

    cluster: str
    workload: str
    urn: str
    """The URN of the workload."""
    object: str
    """Kind, namespace and name."""
    resolution: str
    """Karmada's conflict resolution: Abort, Overwrite or `uncertain`; empty for a Namespace that no policy sends."""
    managers: tuple[str, ...] = ()
    """The field managers that have written its fields, by name in the API server."""
    looks: tuple[str, ...] = ()
    """A short description: replicas and images."""
    changes: tuple[Change, ...] = ()
    """The changes in it when it is taken over."""
    judged: bool = True
    """Whether the member's API server computed the changes; otherwise only declared fields were compared."""
    refusal: str = ""
    """Why it can't be taken over."""
    note: str = ""
    """A further note."""

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return self.object.partition(" ")[0]

    @property
    def outcome(self) -> Outcome:
        """What happens to the object."""
        if self.resolution == OVERWRITE:
            return Outcome.IMPOSSIBLE if self.refusal else Outcome.TAKES_OVER
        if self.resolution == ABORT:
            return Outcome.STOPS
        return Outcome.UNCERTAIN if self.resolution else Outcome.STAYS

    @property
    def restarts(self) -> bool:
        """Whether taking it over replaces its pods."""
        return self.kind in _RESTARTED and any(change.path[:2] == _POD_TEMPLATE for change in self.changes)

    @property
    def text(self) -> str:
        """The existing object, what happens to it, and what taking it over changes, in one line."""
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
                said.append("Karmada leaves a Namespace that it has not created unchanged, and puts copies into it")
            case Outcome.UNCERTAIN:
                said.append("whether Karmada takes it over depends on which of the policies it processes last")
                said.append(self._would)
        return "; ".join(part for part in (*said, self.note) if part)

    @property
    def _would(self) -> str:
        return f"with Overwrite: {self._effect}"

    @property
    def _effect(self) -> str:
        """The effect of taking it over, as text."""
        unsure = "" if self.judged else "of the declared fields (the member was not asked for more) "
        what = f"{unsure}{'; '.join(map(change_text, self.changes)) or 'nothing changes'}"
        if self.kind not in _RESTARTED:
            return what
        return f"{what}; {'the pod template changes: its pods restart' if self.restarts else 'no pod restarts'}"

    @property
    def sentence(self) -> str:
        """Why it prevents the plan from being carried out, with the cluster."""
        return f"{self.cluster}: {self.text}"

    def to_json(self) -> dict[str, Any]:
        """Return the object in its JSON form, secrets masked."""
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
