"""Templates as the stack has written them, read from the control plane: a Rollout keeps no content of its own.

The API server notes who has written which field (managedFields). What the stack's own writes hold of an object is what
was declared. Whoever changes such a field takes it over, so that the part becomes another one; what others add to the
object does not change it. A mark is a digest of both, by which a change is recognised later.
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
"""How the names of the managers begin that both engines write objects by."""


def as_written(live: Object) -> Object:
    """Return what a stack has written of a template; all of it where the server doesn't say who wrote what.

    Args:
        live: the template as it is in the control plane.
    """
    return owned_part(live, OURS) or declarable(live)


def writer_of(live: Object) -> str:
    """Return the name of the manager by which a stack has written a template; empty where none has.

    What was applied counts before what was created.
    """
    entries = [entry for entry in live["metadata"].get("managedFields") or [] if not entry.get("subresource")]
    ours = [entry for entry in entries if str(entry.get("manager")).startswith(OURS)]
    ours.sort(key=lambda entry: entry.get("operation") != "Apply")
    return str(ours[0]["manager"]) if ours else ""


def mark_of(live: Object) -> str:
    """Return the mark of a template: digests of its whole content and of what the stack has written of it."""
    content = declarable(live)
    written = owned_part(live, OURS)
    return f"{digest(_without_scaled(content))} {digest(_without_scaled(written)) if written else ''}".rstrip()


def is_as_marked(mark: str, live_mark: str) -> bool:
    """Return whether what was written of a template is still as it was when it was marked.

    Others may have added something: what was written is the same. Somebody may have changed it and changed it back:
    the whole is the same.
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
    """The marks of a workload's templates, from one look to the next."""

    known: dict[ObjectRef, str] = field(default_factory=dict)
    """Those of the last time at which a template was as declared."""
    _seen: dict[ObjectRef, _Seen] = field(default_factory=dict)

    def look(self, live: Object) -> tuple[Object, str]:
        """Return what the stack has written of a template, and whether that was changed since: '' where it was not.

        A template that has no mark yet gets one.
        """
        ref = ref_of(live)
        seen = self._look(ref, live)
        if ref in self.known and not is_as_marked(self.known[ref], seen.mark):
            return seen.written, CHANGED
        self.known[ref] = seen.mark
        return seen.written, ""

    def to_json(self) -> Mapping[str, str]:
        """Return the marks as a state keeps them, by the templates' references."""
        return {str(ref): mark for ref, mark in sorted(self.known.items())}

    def _look(self, ref: ObjectRef, live: Object) -> _Seen:
        """Look at a template; once at each version of it, since a look at a large one takes milliseconds."""
        version = str(live["metadata"].get("resourceVersion") or "")
        seen = self._seen.get(ref)
        if seen is None or not version or seen.version != version:
            seen = self._seen[ref] = _Seen(version, mark_of(live), as_written(live))
        return seen


@dataclass(frozen=True)
class WrittenCheck:
    """A rollout's check, of templates that are known by their names: each is as the stack has written it."""

    check: RolloutCheck
    marks: Marks

    @property
    def templates(self) -> list[Object]:
        """The templates, which say which ones they are and nothing else."""
        return self.check.templates

    @property
    def objects(self) -> list[Object]:
        """The templates, and what follows them."""
        return self.check.objects

    def progress(self, snapshot: Snapshot, servers: Servers | None = None) -> list[Progress]:
        """Judge each template by a snapshot, as `RolloutCheck.progress` does.

        Raises:
            ClusterError: the snapshot doesn't know of one of them, since it could not be read.
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
