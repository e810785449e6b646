"""What must hold for the objects of the control plane itself (`flotilla:objects`)."""

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
    """Check the objects of the control plane, by themselves, against each other and against the workloads.

    Args:
        groups: by position in the file.
        workloads: by position in the file; those with files that can't be read are left out here.
        version: Karmada's; None where the stack doesn't say.
        files: where the manifests are.
        gates: the feature gates that Karmada is installed with; None where they aren't known.
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
            problems.append(Problem(f"objects[{index}].manifests", "hold no object", why, "name files that hold some"))
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
    """Check one object by itself; of what is wrong in one place nothing else is said."""
    name = f"{obj['kind']} {obj['metadata']['name']}"
    misplaced = _MISPLACED.get(place_of(obj))
    if misplaced:
        return [Problem(where, *(text.format(name=name, group=kind_of(obj)[0]) for text in misplaced))]
    other = another_version(obj)
    if other:
        rule = f"{name} is written in {obj['apiVersion']}, and Karmada has it in {other}"
        return [Problem(where, rule, "Karmada's API server would refuse it", f"write it in {other}")]
    return [*_check_age(where, obj, name, version), *_check_place(where, obj, name), *_check_form(where, obj, name)]


_MISPLACED: Mapping[Place, tuple[str, str, str]] = {
    Place.WORKLOAD: (
        "{name} is listed among the objects of the control plane",
        "it would run nowhere: nothing in a control plane acts on it, and no policy sends it",
        "list its file in the `manifests` of a workload",
    ),
    Place.MEMBER: (
        "{name} is a member",
        "it would have no credentials, and nothing would wait for it",
        "list the cluster under `flotilla:members`",
    ),
    Place.POLICY: (
        "{name} is a policy",
        "Flotilla would not know which workload it is for, so that no plan and no rollout would go by it",
        "list the file under `policies` of the workload whose objects it sends",
    ),
    Place.CONTROLLERS: (
        "{name} is made by Karmada's controllers",
        "they would overwrite or delete it",
        "remove it; exported objects of {group} are no source",
    ),
    Place.UNKNOWN: (
        "{name} is of {group}, which has no such kind that a user declares",
        "Karmada's API server would refuse it",
        "correct apiVersion and kind, or remove it",
    ),
}


def _check_age(where: str, obj: Object, name: str, version: Version | None) -> list[Problem]:
    """Check that Karmada has the kind and the fields of an object."""
    problems = []
    for field, since in too_new(obj, version or SUPPORTED.oldest):
        what = f"{field} of {name}" if field else f"the kind of {name}"
        lost = "it would be dropped without a word" if field else "Karmada's API server does not serve it"
        if version is None:
            rule = f"{what} needs Karmada {since} or newer, and the stack doesn't say which one it is"
            remedy = "add `version` to controlPlane, such as `version: 1.18.2`"
            problems.append(Problem(where, rule, f"on an older Karmada: {lost}", remedy))
        else:
            rule = f"{what} needs Karmada {since} or newer, and this is {version}"
            problems.append(Problem(where, rule, lost, "remove it, or upgrade Karmada"))
    return problems


def _check_place(where: str, obj: Object, name: str) -> list[Problem]:
    """Check the namespace of an object, and that a Namespace stays where it is declared."""
    namespace = str(obj["metadata"].get("namespace") or "")
    if namespace == CLUSTER_NAMESPACE or namespace.startswith(EXECUTION_NAMESPACE_PREFIX):
        why = "Karmada and the join of members keep credentials and Works there, and leave nothing else alone"
        return [Problem(where, f"{name} is in the namespace {namespace}", why, "take another namespace")]
    if kind_of(obj) != NAMESPACE:
        return []
    own = str(obj["metadata"]["name"])
    if own.startswith(_NAMESPACES_OF_KARMADA) or own == _DEFAULT:
        why = "it is there already, and a destroy would delete what others have in it"
        return [Problem(where, f"{name} is one that Karmada or Kubernetes makes", why, "remove it")]
    if goes_by_itself(obj):
        return [
            Problem(
                where,
                f"{name} is sent to every member by Karmada itself",
                "removing it would delete it, with all that is in it, in every member",
                'add the label `namespace.karmada.io/skip-auto-propagation: "true"`, or list it in a workload',
            )
        ]
    return []


def _check_form(where: str, obj: Object, name: str) -> list[Problem]:
    """Check what of an object would not stay as it is declared, or would do nothing."""
    spec = obj.get("spec")
    spec = spec if isinstance(spec, dict) else {}
    if kind_of(obj) == REBALANCER and spec.get("ttlSecondsAfterFinished") is not None:
        return [
            Problem(
                where,
                f"{name} has spec.ttlSecondsAfterFinished",
                "Karmada deletes it when it has finished, and every later `up` would make it, and divide, again",
                "drop the field; take the object out of the stack when it is not needed any more",
            )
        ]
    if kind_of(obj) == SERVICE and spec.get("selector"):
        return [
            Problem(
                where,
                f"{name} selects pods",
                "there are none in a control plane, and no policy sends it",
                "list it in a workload, or name an address: `type: ExternalName`",
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
    """Check that an object stands in one place of the stack."""
    key, name = identity(obj), str(ref_of(obj))
    if key in owners:
        workload = owners[key][0].name
        why = "both would set it, and what one of them drops the other would put back"
        remedy = "list it in the workload if members are to have it, else here alone"
        return [Problem(where, f"{name} is listed by the workload {workload!r} too", why, remedy)]
    if key in seen:
        where_else = f"by {seen[key]!r} too" if seen[key] != group else "twice"
        return [Problem(where, f"{name} is listed {where_else}", "one would overwrite the other", "remove one")]
    seen[key] = group
    return []


def _check_scalers(
    objects: Sequence[tuple[str, Object]], owners: Mapping[Identity, tuple[Workload, Object]]
) -> list[Problem]:
    """Check that what an autoscaler of the control plane scales has no other owner of its replicas."""
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
                    f"drop `autoscaled` of the workload, or {obj['kind']} {obj['metadata']['name']}",
                )
            )
    return problems
