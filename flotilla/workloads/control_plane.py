"""The control plane's own objects (`flotilla:objects`): reads and orders them, and relates them to workloads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from flotilla.karmada.control_plane_kinds import CRON_FEDERATED_HPA, FEDERATED_HPA, OWN_KINDS, REBALANCER, target_of
from flotilla.karmada.control_plane_objects import Stage, control_plane_object, named_by, stage_of
from flotilla.karmada.kinds import (
    NAMESPACE,
    Identity,
    Kinds,
    defined_kind,
    defined_kinds,
    identity,
    in_namespace,
    kind_of,
)
from flotilla.karmada.scaling import BOUNDS, scaled
from flotilla.kube.objects import Object
from flotilla.kube.reading import UnreadableFile
from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.fleet import Fleet
from flotilla.stack.objects import ObjectGroup
from flotilla.stack.workloads import Workload
from flotilla.workloads.exported import cleaned
from flotilla.workloads.manifests import ManifestError
from flotilla.workloads.objects import manifests_of


@dataclass(frozen=True)
class Read:
    """The objects of one file of a group, or the reasons why it can't be read."""

    index: int
    """The entry's position in `manifests`."""
    file: str
    objects: tuple[Object, ...] = ()
    problems: tuple[str, ...] = ()


def read_group(group: ObjectGroup, files: ManifestFiles) -> Iterator[Read]:
    """Yield the result for each file of a group, in their order; a file that can't be read raises nothing."""
    for entry in manifest_files(group.manifests, files):
        try:
            yield Read(entry.position, entry.file, tuple(files.objects(entry)))
        except UnreadableFile as error:
            yield Read(entry.position, entry.file, problems=(error.message,))
        except ManifestError as error:
            yield Read(entry.position, entry.file, problems=tuple(error.problems))


def written(group: ObjectGroup, files: ManifestFiles) -> list[Object]:
    """Return a group's objects, without fields that a server has set in exported objects.

    Files that can't be read are skipped: the validation has reported them before.
    """
    return [cleaned(obj) for obj in as_in_files(group, files)]


def as_in_files(group: ObjectGroup, files: ManifestFiles) -> list[Object]:
    """Return a group's objects as its files have them."""
    return [obj for read in read_group(group, files) for obj in read.objects]


def kinds_known(groups: Iterable[Iterable[Object]], workloads: Iterable[Iterable[Object]] = ()) -> Kinds:
    """Return the known kinds of control plane objects: Karmada's own, and those that the stack defines."""
    defined = defined_kinds(obj for listed in (*groups, *workloads) for obj in listed)
    return defined.over(OWN_KINDS)


@dataclass(frozen=True)
class Declared:
    """One object of the control plane, with the objects that come before it."""

    group: str
    """The name of its entry in `flotilla:objects`."""
    obj: Object
    stage: Stage
    after: tuple[Identity, ...] = ()
    """Objects of the stack that must exist first: its namespace, its kind's definition, objects that it names."""
    rollouts: tuple[str, ...] = ()
    """Names of workloads whose rollout must be finished first."""
    ignored: tuple[str, ...] = ()
    """Fields that another declared object sets, as paths in Pulumi's form."""

    @property
    def identity(self) -> Identity:
        """The key that the object keeps in every version of its group."""
        return identity(self.obj)


@dataclass(frozen=True)
class ControlPlane:
    """The declarations of a stack in the control plane itself."""

    objects: tuple[Declared, ...] = ()
    """In order: each object comes after those that it needs."""
    scalers: dict[Identity, str] = field(default_factory=dict)
    """Templates whose replicas an autoscaler of the control plane sets, with the autoscaler's kind and name."""

    def first(self) -> list[Declared]:
        """Return the objects that are declared before the workloads."""
        return [one for one in self.objects if one.stage < Stage.LAST]

    def last(self) -> list[Declared]:
        """Return the objects that are declared after the workloads that they name."""
        return [one for one in self.objects if one.stage == Stage.LAST]

    def marked(self, workload: Workload, manifests: Sequence[Object], kinds: Kinds) -> list[Object]:
        """Return a workload's objects; those whose replicas an autoscaler sets are marked with its name."""
        if not self.scalers:
            return list(manifests)
        listed = [(obj, self.scalers.get(template_identity(obj, workload, kinds), "")) for obj in manifests]
        return [scaled(obj, scaler) if scaler else obj for obj, scaler in listed]


def template_identity(manifest: Object, workload: Workload, kinds: Kinds) -> Identity:
    """Return the key that the template of a manifest keeps in every version of its group."""
    return identity(in_namespace(manifest, workload.namespace, kinds))


def control_plane_of(fleet: Fleet, files: ManifestFiles) -> ControlPlane:
    """Return the declarations of a fleet in the control plane itself, in the order of their declaration."""
    if not fleet.objects:
        return ControlPlane()
    listed = {group.name: written(group, files) for group in fleet.objects}
    manifests = {workload.name: manifests_of(workload, files) for workload in fleet.workloads}
    kinds = kinds_known(listed.values(), manifests.values())
    objects = [(name, control_plane_object(obj, kinds)) for name, objs in listed.items() for obj in objs]
    makers = {
        template_identity(obj, workload, kinds): workload.name
        for workload in fleet.workloads
        for obj in manifests[workload.name]
    }
    definitions = _definitions(objects, fleet, manifests, kinds)
    scalers = scalers_of(obj for _, obj in objects)
    known = {*makers, *(identity(obj) for _, obj in objects)}
    found = [_declared(name, obj, known, makers, definitions) for name, obj in objects]
    found = [_bounded(_behind_its_group(one, found), scalers) for one in found]
    return ControlPlane(tuple(_in_order(found)), {key: who for key, who in scalers.items() if key in makers})


def scalers_of(objects: Iterable[Object]) -> dict[Identity, str]:
    """Return the targets of FederatedHPAs and CronFederatedHPAs among objects, with the scaler's kind and name."""
    found: dict[Identity, str] = {}
    for obj in objects:
        target = target_of(obj)
        if target:
            (group, kind), namespace, name = target
            found.setdefault((group, kind, namespace, name), f"{obj['kind']} {obj['metadata']['name']}")
    return found


def _definitions(
    objects: list[tuple[str, Object]], fleet: Fleet, manifests: dict[str, list[Object]], kinds: Kinds
) -> dict[tuple[str, str], Identity]:
    """Return the CustomResourceDefinitions of the stack, by the kind that each defines."""
    found = {kind: identity(obj) for _, obj in objects if (kind := defined_kind(obj))}
    for workload in fleet.workloads:
        for obj in manifests[workload.name]:
            kind = defined_kind(obj)
            if kind:
                found.setdefault(kind, template_identity(obj, workload, kinds))
    return found


def _declared(
    group: str,
    obj: Object,
    known: set[Identity],
    makers: dict[Identity, str],
    definitions: dict[tuple[str, str], Identity],
) -> Declared:
    """Return an object with what it requires: its namespace, its kind's definition, objects that it names.

    Args:
        group: the name of its entry.
        obj: the object.
        known: everything that the stack declares in the control plane.
        makers: the workload of each template.
        definitions: the definition of each kind.
    """
    namespace = obj["metadata"].get("namespace")
    wanted: list[Identity] = [(*NAMESPACE, "", str(namespace))] if namespace else []
    if kind_of(obj) in definitions:
        wanted.append(definitions[kind_of(obj)])
    names = [key for key in named_by(obj) if key in known]
    after = tuple(dict.fromkeys(key for key in [*wanted, *names] if key in known and key != identity(obj)))
    # An object that needs a workload's object can't come before the workloads.
    stage = Stage.LAST if any(key in makers for key in after) else stage_of(obj)
    rollouts = {makers[key] for key in names if key in makers} if kind_of(obj) == REBALANCER else set()
    return Declared(group, obj, stage, after, tuple(sorted(rollouts)))


def _behind_its_group(one: Declared, others: list[Declared]) -> Declared:
    """Return an object that comes after the namespaces, definitions and RBAC objects of its own group."""
    before = min(one.stage, Stage.FIRST)
    earlier = [other.identity for other in others if other.group == one.group and other.stage < before]
    return replace(one, after=tuple(dict.fromkeys([*one.after, *earlier])))


def _bounded(one: Declared, scalers: dict[Identity, str]) -> Declared:
    """Return a FederatedHPA whose bounds a CronFederatedHPA sets, with these fields ignored; else the object itself."""
    by_time = scalers.get(one.identity, "").startswith(CRON_FEDERATED_HPA[1])
    return replace(one, ignored=BOUNDS) if by_time and kind_of(one.obj) == FEDERATED_HPA else one


def _in_order(objects: list[Declared]) -> Iterator[Declared]:
    """Yield objects by stage, each after those of its stage that it requires."""
    waiting = sorted(objects, key=lambda one: one.stage)
    while waiting:
        pending = {one.identity for one in waiting}
        # Two objects that name each other can't be ordered: the first one doesn't wait for the other.
        ready = next((one for one in waiting if not pending.intersection(one.after)), waiting[0])
        waiting.remove(ready)
        yield ready
