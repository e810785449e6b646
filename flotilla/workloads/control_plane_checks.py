"""Checks of the control plane's own objects (`flotilla:objects`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flotilla.karmada.control_plane_kinds import (
    REBALANCER,
    SERVICE,
    Place,
    another_version,
    place_of,
    target_of,
    too_new,
)
from flotilla.karmada.control_plane_objects import control_plane_object
from flotilla.karmada.kinds import NAMESPACE, Identity, goes_by_itself, identity, kind_of
from flotilla.karmada.names import CLUSTER_NAMESPACE, EXECUTION_NAMESPACE_PREFIX
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ref_of
from flotilla.stack.features import Gates, closed
from flotilla.stack.files import ManifestFiles
from flotilla.stack.objects import ObjectGroup
from flotilla.stack.problems import ConfigError, Problem
from flotilla.stack.workloads import Workload
from flotilla.workloads.control_plane import kinds_known, read_group, template_identity, written
from flotilla.workloads.control_plane_notices import gate_of
from flotilla.workloads.exported import cleaned
from flotilla.workloads.objects import manifests_of

_NAMESPACES_OF_KARMADA = ("karmada-", "kube-")
_DEFAULT = "default"


def check_groups(
    groups: Sequence[tuple[int, ObjectGroup]],
    workloads: Sequence[tuple[int, Workload]],
    version: Version | None,
    files: ManifestFiles,
    gates: Gates | None = None,
) -> list[Problem]:
    """Check the objects of the control plane alone, against each other and against the workloads.

    Args:
        groups: by position in the file.
        workloads: by position in the file; workloads with files that can't be read are left out here.
        version: Karmada's version; None where the stack doesn't give it.
        files: the reader of manifests.
        gates: the feature gates with which Karmada is installed; None where they aren't known.
    """
    templates: dict[int, list[Object]] = {}
    for index, workload in workloads:
        try:
            templates[index] = manifests_of(workload, files)
        except ConfigError:
            continue
    kinds = kinds_known([written(group, files) for _, group in groups], templates.values())
    owners = {
        template_identity(obj, workload, kinds): (workload, obj)
        for index, workload in workloads
        for obj in templates.get(index, [])
    }
    problems: list[Problem] = []
    seen: dict[Identity, str] = {}
    objects: list[tuple[str, Object]] = []
    for index, group in groups:
        listed = list(read_group(group, files))
        why = "there would be nothing to declare"
        if not any(read.objects or read.problems for read in listed):
            problems.append(
                Problem(f"objects[{index}].manifests", "contain no object", why, "name files that contain objects")
            )
        for read in listed:
            where = f"objects[{index}].manifests[{read.index}]"
            problems += [Problem(where, one, why, "fix the file", f'"{read.file}"') for one in read.problems]
            for obj in read.objects:
                settled = control_plane_object(cleaned(obj), kinds)
                objects.append((where, settled))
                problems += _check(where, settled, version)
                gate = gate_of(settled, version)
                if gate and version is not None and gates is not None:
                    problems += closed(where, gate, version, gates)
                problems += _check_once(where, settled, group.name, seen, owners)
    return problems + _check_scalers(objects, owners)


def _check(where: str, obj: Object, version: Version | None) -> list[Problem]:
    """Check one object alone; an object in the wrong place gets no further problems."""
    name = f"{obj['kind']} {obj['metadata']['name']}"
    misplaced = _MISPLACED.get(place_of(obj))
    if misplaced:
        return [Problem(where, *(text.format(name=name, group=kind_of(obj)[0]) for text in misplaced))]
    other = another_version(obj)
    if other:
        rule = f"{name} is written in {obj['apiVersion']}, but Karmada serves it in {other}"
        return [Problem(where, rule, "Karmada's API server would refuse it", f"write it in {other}")]
    return [*_check_age(where, obj, name, version), *_check_place(where, obj, name), *_check_form(where, obj, name)]


_MISPLACED: Mapping[Place, tuple[str, str, str]] = {
    Place.WORKLOAD: (
        "{name} is listed among the objects of the control plane",
        "it would run nowhere: nothing in a control plane runs it, and no policy propagates it",
        "list its file in the `manifests` of a workload",
    ),
    Place.MEMBER: (
        "{name} is a member",
        "it would have no credentials, and nothing would wait for it",
        "list the cluster under `flotilla:members`",
    ),
    Place.POLICY: (
        "{name} is a policy",
        "Flotilla would not know its workload, so plans and rollouts would ignore it",
        "list the file under `policies` of the workload whose objects it propagates",
    ),
    Place.CONTROLLERS: (
        "{name} is created by Karmada's controllers",
        "they would overwrite or delete it",
        "remove it; exported objects of {group} can't be declared",
    ),
    Place.UNKNOWN: (
        "{name} has a kind that {group} doesn't offer to users",
        "Karmada's API server would refuse it",
        "correct apiVersion and kind, or remove it",
    ),
}


def _check_age(where: str, obj: Object, name: str, version: Version | None) -> list[Problem]:
    """Check that Karmada's version has the kind and the fields of an object."""
    problems = []
    for field, since in too_new(obj, version or SUPPORTED.oldest):
        what = f"{field} of {name}" if field else f"the kind of {name}"
        lost = "Karmada would ignore it silently" if field else "Karmada's API server does not serve it"
        if version is None:
            rule = f"{what} needs Karmada {since} or newer, and the stack doesn't give its version"
            remedy = "add `version` to controlPlane, such as `version: 1.18.2`"
            problems.append(Problem(where, rule, f"on an older Karmada: {lost}", remedy))
        else:
            rule = f"{what} needs Karmada {since} or newer, and this is {version}"
            problems.append(Problem(where, rule, lost, "remove it, or upgrade Karmada"))
    return problems


def _check_place(where: str, obj: Object, name: str) -> list[Problem]:
    """Check the namespace of an object, and that Karmada doesn't propagate a declared Namespace."""
    namespace = str(obj["metadata"].get("namespace") or "")
    if namespace == CLUSTER_NAMESPACE or namespace.startswith(EXECUTION_NAMESPACE_PREFIX):
        why = "Karmada and the join of members store credentials and Works there, and may delete other objects"
        return [Problem(where, f"{name} is in the namespace {namespace}", why, "use another namespace")]
    if kind_of(obj) != NAMESPACE:
        return []
    own = str(obj["metadata"]["name"])
    if own.startswith(_NAMESPACES_OF_KARMADA) or own == _DEFAULT:
        why = "it exists already, and a destroy would delete what others have in it"
        return [Problem(where, f"{name} is created by Karmada or Kubernetes", why, "remove it")]
    if goes_by_itself(obj):
        return [
            Problem(
                where,
                f"{name} is propagated to every member by Karmada itself",
                "removing it would delete it, with everything in it, in every member",
                'add the label `namespace.karmada.io/skip-auto-propagation: "true"`, or list it in a workload',
            )
        ]
    return []


def _check_form(where: str, obj: Object, name: str) -> list[Problem]:
    """Check for parts of an object that would not stay as declared, or would have no effect."""
    spec = obj.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    if kind_of(obj) == REBALANCER and spec.get("ttlSecondsAfterFinished") is not None:
        return [
            Problem(
                where,
                f"{name} has spec.ttlSecondsAfterFinished",
                "Karmada deletes it when it has finished, and every later `up` would create it and divide again",
                "remove the field; remove the object from the stack when it is not needed any more",
            )
        ]
    if kind_of(obj) == SERVICE and spec.get("selector"):
        return [
            Problem(
                where,
                f"{name} selects pods",
                "a control plane has no pods, and no policy propagates it",
                "list it in a workload, or give an address: `type: ExternalName`",
            )
        ]
    return []


def _check_once(
    where: str,
    obj: Object,
    group: str,
    seen: dict[Identity, str],
    owners: Mapping[Identity, tuple[Workload, Object]],
) -> list[Problem]:
    """Check that an object is declared in only one place of the stack."""
    key, name = identity(obj), str(ref_of(obj))
    if key in owners:
        workload = owners[key][0].name
        why = "both would set it, and each would put back what the other removes"
        remedy = "list it only in the workload if members need it, else only here"
        return [Problem(where, f"{name} is also listed by the workload {workload!r}", why, remedy)]
    if key in seen:
        where_else = f"by {seen[key]!r} too" if seen[key] != group else "twice"
        return [Problem(where, f"{name} is listed {where_else}", "one would overwrite the other", "remove one")]
    seen[key] = group
    return []


def _check_scalers(
    objects: Sequence[tuple[str, Object]], owners: Mapping[Identity, tuple[Workload, Object]]
) -> list[Problem]:
    """Check that only one autoscaler of the control plane sets the replicas of an object, and no member does."""
    problems = []
    first: dict[Identity, str] = {}
    for where, obj in objects:
        target = target_of(obj)
        if target is None:
            continue
        (group, kind), namespace, name = target
        key = (group, kind, namespace, name)
        scaler, what = f"{obj['kind']} {obj['metadata']['name']}", f"{kind} {namespace}/{name}"
        other = first.setdefault(key, scaler)
        if other != scaler:
            remedy = "keep one of them; a CronFederatedHPA may scale the FederatedHPA instead"
            problems.append(
                Problem(where, f"{scaler} and {other} both scale {what}", "they would overwrite each other", remedy)
            )
        if key in owners and owners[key][0].autoscaled and owns_replicas(owners[key][1]):
            workload = owners[key][0].name
            problems.append(
                Problem(
                    where,
                    f"{scaler} scales {what}, and the workload {workload!r} has `autoscaled: true`",
                    "members keep their own replicas then, whatever the control plane's autoscaler sets",
                    f"remove `autoscaled` from the workload, or {obj['kind']} {obj['metadata']['name']}",
                )
            )
    return problems
