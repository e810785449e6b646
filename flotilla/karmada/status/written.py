"""Templates as the stack has written them, read from the control plane: a Rollout stores no copy of their content.

The API server records which manager has written which field (managedFields). The fields that the stack's own managers
own are what was declared. If somebody else changes such a field, that manager owns it then, so the stack's part
changes; fields that others add don't change it. A mark consists of digests of the whole content and of this part, by
which a later change is recognized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from flotilla.karmada.scaling import scaler_of
from flotilla.karmada.status.lacking import Servers
from flotilla.karmada.status.rollout import Progress, RolloutCheck
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.karmada.template_references import digest
from flotilla.kube.objects import Object, ObjectRef, declarable, ref_of
from flotilla.kube.ownership import owned_part

CHANGED = "is not as declared in the control plane: somebody has changed it since it was written"
OURS = ("pulumi-kubernetes", "pulumi-resource-kubernetes")
"""The prefixes of the managers' names with which both engines write objects."""


def as_written(live: Object) -> Object:
    """Return what a stack has written of a template; the whole template where the server doesn't record managers.

    Args:
        live: the template in the control plane.
    """
    return owned_part(live, OURS) or declarable(live)


def writer_of(live: Object) -> str:
    """Return the name of the manager with which a stack has written a template; empty where none has.

    A manager that applied the template takes precedence over one that created it.
    """
    entries = [entry for entry in live["metadata"].get("managedFields") or [] if not entry.get("subresource")]
    ours = [entry for entry in entries if str(entry.get("manager")).startswith(OURS)]
    ours.sort(key=lambda entry: entry.get("operation") != "Apply")
    return str(ours[0]["manager"]) if ours else ""


def mark_of(live: Object) -> str:
    """Return the mark of a template: digests of its whole content and of what the stack has written."""
    content = declarable(live)
    written = owned_part(live, OURS)
    return f"{digest(_without_scaled(content))} {digest(_without_scaled(written)) if written else ''}".rstrip()


def is_as_marked(mark: str, live_mark: str) -> bool:
    """Return whether the stack's part of a template is still the same as when the template was marked.

    If others have added fields, the digest of the stack's part is the same. If somebody has changed a field and changed
    it back, the digest of the whole content is the same.
    """
    before, now = mark.split(), live_mark.split()
    return before[:1] == now[:1] or (before[1:] == now[1:] and bool(now[1:]))


def _without_scaled(obj: Object) -> Object:
    """Return an object without the replicas that an autoscaler of the control plane owns."""
    if not scaler_of(obj) or not isinstance(obj.get("spec"), dict):
        return obj
    return {**obj, "spec": {key: value for key, value in obj["spec"].items() if key != "replicas"}}


class _Seen(NamedTuple):
    version: str
    mark: str
    written: Object


@dataclass
class Marks:
    """The marks of a workload's templates, which are kept from one look to the next."""

    known: dict[ObjectRef, str] = field(default_factory=dict)
    """The marks from the last time when each template was as declared."""
    _seen: dict[ObjectRef, _Seen] = field(default_factory=dict)

    def look(self, live: Object) -> tuple[Object, str]:
        """Return what the stack has written of a template, and CHANGED if somebody has changed it since, else ''.

        A template without a mark gets one.
        """
        ref = ref_of(live)
        seen = self._look(ref, live)
        if ref in self.known and not is_as_marked(self.known[ref], seen.mark):
            return seen.written, CHANGED
        self.known[ref] = seen.mark
        return seen.written, ""

    def to_json(self) -> Mapping[str, str]:
        """Return the marks as a state stores them, by the templates' references."""
        return {str(ref): mark for ref, mark in sorted(self.known.items())}

    def _look(self, ref: ObjectRef, live: Object) -> _Seen:
        """Look at a template; only once per version, because that takes milliseconds for a large one."""
        version = str(live["metadata"].get("resourceVersion") or "")
        seen = self._seen.get(ref)
        if seen is None or not version or seen.version != version:
            seen = self._seen[ref] = _Seen(version, mark_of(live), as_written(live))
        return seen


@dataclass(frozen=True)
class WrittenCheck:
    """A rollout's check whose templates are known by reference only: the content is what the stack has written."""

    check: RolloutCheck
    marks: Marks

    @property
    def templates(self) -> list[Object]:
        """The references of the templates, without their content."""
        return self.check.templates

    @property
    def objects(self) -> list[Object]:
        """The templates, and the objects that follow them."""
        return self.check.objects

    def progress(self, snapshot: Snapshot, servers: Servers | None = None) -> list[Progress]:
        """Return the progress of each template according to a snapshot, like `RolloutCheck.progress`.

        Raises:
            ClusterError: a template or binding could not be read.
        """
        late: dict[ObjectRef, str] = {}

        def written(declared: Object) -> Object:
            ref = ref_of(declared)
            live = snapshot.template(ref)
            found, late[ref] = (declared, "") if live is None else self.marks.look(live)
            return found

        templates = [written(one) for one in self.check.templates]
        followers = [written(one) for one in self.check.followers]
        found = replace(self.check, templates=templates, followers=followers).progress(snapshot, servers)
        return [replace(one, waiting_for=late[one.template] or one.waiting_for) for one in found]
