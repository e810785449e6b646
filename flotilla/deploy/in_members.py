"""Asks the chosen members, when a plan is shown, which of the objects that it sends them exist there already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flotilla.deploy.interface import Setting
from flotilla.errors import FlotillaError
from flotilla.karmada.keeping.marks import is_managed
from flotilla.karmada.names import cluster_of
from flotilla.karmada.propagation import OWN_ANNOTATIONS
from flotilla.karmada.rendering.retaining import written_over
from flotilla.kube.connection import ApiError, Connection, connect
from flotilla.kube.objects import Object, copied, declarable, ref_of
from flotilla.kube.secrecy import HIDDEN
from flotilla.kube.several import find_several
from flotilla.observe.access import FleetAccess
from flotilla.observe.across import ask_members
from flotilla.plan.changes import summary_of
from flotilla.plan.coming import Coming
from flotilla.plan.fleet import FleetPlan, fleet_plan
from flotilla.plan.in_members import InMember, Outcome
from flotilla.plan.leaving import with_room
from flotilla.plan.steps import GOING, Result
from flotilla.providers.adoption import as_secret, note_of, why_refused, writers
from flotilla.providers.immutable import among, fixed_paths
from flotilla.providers.judging import dry_run_warning
from flotilla.providers.objects import with_live_values
from flotilla.stack.files import kubeconfig_text
from flotilla.stack.load import load_stack_file
from flotilla.state.diff import Change, ChangeKind, compare
from flotilla.state.values import has_unknown, reveal

ANSWER_SECONDS = 10.0
"""The time for all members together."""
_MOST_JUDGED = 30
"""Up to this number, a member checks each object with a dry run; for the rest only declared fields are compared."""
_CONTROL_PLANE = "karmada"
_PROVIDER = "pulumi:providers:kubernetes"
_MANAGER = "flotilla"
_SELECTOR = ("spec", "selector")
_CONFLICT = 409
_INVALID = 422


def previewed(result: Result, setting: Setting, *, version: str | None = None) -> FleetPlan:
    """Return the fleet plan of a preview, with the objects that exist in members already.

    Objects that can't be taken over are failures of the plan. Workloads at which `up` would stop are added to the
    result.

    Args:
        result: the result of a preview.
        setting: the stack's setting.
        version: Karmada's version; None if it isn't known.
    """
    plan = with_room(fleet_plan(result, version=version), result, version=version)
    if not plan.coming or result.failures:
        return plan
    there, unasked = in_members(plan.coming, access_in(result, setting), result.unknown)
    for one in there:
        if one.outcome is Outcome.IMPOSSIBLE:
            result.failures.append(f"workload {one.workload}: {one.sentence}")
        elif one.outcome is Outcome.STOPS:
            result.stopped.setdefault(one.urn, f"workload {one.workload}: {one.sentence}")
    return replace(plan, there=there, unasked=unasked)


def access_in(result: Result, setting: Setting) -> FleetAccess | None:
    """Return the access to the members of a plan; None if the kubeconfig of Karmada isn't known.

    The kubeconfigs are those in the plan. If the engine hides them, they are read from the files that the stack names.
    """
    known: dict[str, str] = {}
    for step in result.steps:
        if step.type == _PROVIDER and step.op not in GOING and (state := step.new or step.old):
            text = state.plain.get("kubeconfig")
            if isinstance(text, str) and text and text != HIDDEN:
                known[cluster_of(step.name)] = text
    for name, text in _files(setting).items():
        known.setdefault(name, text)
    control_plane = known.pop(_CONTROL_PLANE, None)
    if control_plane is None:
        return None
    with suppress(FlotillaError):
        return FleetAccess(connect(control_plane, name="Karmada"), lambda: known)
    return None


def _files(setting: Setting) -> dict[str, str]:
    """Return the kubeconfigs that a stack file names as files, by cluster."""
    found: dict[str, str] = {}
    with suppress(FlotillaError):
        fleet = load_stack_file(setting.stack_file, base=setting.project, files=False)
        named = {member.name: member.kubeconfig for member in fleet.members}
        if fleet.control_plane.kubeconfig is not None:
            named[_CONTROL_PLANE] = fleet.control_plane.kubeconfig
        for name, source in named.items():
            if source.path is not None:
                with suppress(FlotillaError):
                    found[name] = kubeconfig_text(source, setting.project)
    return found


def in_members(
    coming: Iterable[Coming], access: FleetAccess | None, silent: Mapping[str, str]
) -> tuple[tuple[InMember, ...], dict[str, str]]:
    """Ask members which of the coming objects exist there already and are not managed by Karmada.

    Args:
        coming: the objects that the plan sends.
        access: the access to the members; None if there is none.
        silent: clusters that are known not to answer, with the reason.

    Returns:
        The existing objects, and for each member that could not be asked the reason.
    """
    wanted: dict[str, list[Coming]] = defaultdict(list)
    for one in coming:
        wanted[one.cluster].append(one)
    if access is None:
        return (), dict.fromkeys(sorted(wanted), "this engine hides its kubeconfig, and the stack names no file")
    quiet = {name: silent[name] for name in wanted if name in silent}
    asked = [name for name in wanted if name not in quiet]
    answers = ask_members(access, asked, lambda member: _existing(member, wanted[member.name]), seconds=ANSWER_SECONDS)
    return tuple(one for found in answers.found.values() for one in found), dict(
        sorted({**quiet, **answers.unknown}.items())
    )


def _existing(member: Connection, coming: list[Coming]) -> list[InMember]:
    wanted = {ref_of(one.item): one for one in coming}
    live = find_several(member, wanted)
    others = [ref for ref in sorted(live) if not is_managed(live[ref])]
    return [_compared(member, wanted[ref], live[ref], asks=n < _MOST_JUDGED) for n, ref in enumerate(others)]


def _compared(member: Connection, coming: Coming, live: Object, *, asks: bool) -> InMember:
    """Compare an existing object with the one that Karmada would write over it."""
    found = InMember(
        coming.cluster,
        coming.workload,
        coming.urn,
        str(ref_of(live)),
        coming.resolution,
        writers(live),
        summary_of(live),
        note=_note(live),
    )
    if found.outcome is Outcome.STAYS:
        return found
    if live["metadata"].get("deletionTimestamp"):
        return replace(found, note=_joined(found.note, "it is being deleted"), judged=False)
    manifest = _manifest(coming.item)
    over = written_over(manifest, live)
    fixed = fixed_paths(found.kind)
    differences = _differences(manifest, over, live)
    if asks and not _is_hidden(coming.item):
        try:
            planned = member.replace(over, field_manager=_MANAGER, dry_run=True)
            return replace(found, changes=as_secret(compare(declarable(live), declarable(planned)), coming.item, live))
        except ApiError as error:
            if error.status == _INVALID:
                why = why_refused(as_secret(differences, coming.item, live), fixed, error.message)
                return replace(found, refusal=why, judged=True)
            found = replace(found, note=_joined(found.note, _warning(error)))
    shown = as_secret(differences, coming.item, live)
    stuck = [change for change in shown if among(change, fixed)]
    refusal = why_refused(stuck, fixed, "") if stuck else ""
    return replace(found, changes=shown, judged=False, refusal=refusal)


def _differences(manifest: Object, over: Object, live: Object) -> list[Change]:
    """Return the differences of declared fields; a selector is compared as a whole, since it may also lose labels."""
    found = compare(with_live_values(manifest, live), manifest)
    was, now = _selector(live), _selector(over)
    if was is None or now is None or was == now:
        return found
    others = [change for change in found if change.path[:2] != _SELECTOR]
    return [Change(_SELECTOR, ChangeKind.UPDATE, was, now), *others]


def _selector(obj: Object) -> Any:
    spec = obj.get(_SELECTOR[0])
    return spec.get(_SELECTOR[1]) if isinstance(spec, dict) else None


def _note(live: Object) -> str:
    """Return who else has a claim to an object: managers that apply it, and its owners."""
    owners = [f"{one.get('kind')} {one.get('name')}" for one in live["metadata"].get("ownerReferences") or []]
    return _joined(note_of(live), f"it belongs to {', '.join(owners)}" if owners else "")


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)


def _warning(error: ApiError) -> str:
    """Return the remark on a dry run that the member did not carry out."""
    if error.status == _CONFLICT:
        return ""  # another writer has changed the object since it was read
    try:
        return dry_run_warning(error)
    except ApiError:
        return error.message


def _manifest(item: Object) -> Object:
    """Return the manifest that Karmada sends, with secrets revealed, and without annotations that only Pulumi reads."""
    manifest: Object = copied(reveal(item))
    annotations = manifest["metadata"].get("annotations") or {}
    kept = {key: value for key, value in annotations.items() if key not in OWN_ANNOTATIONS}
    manifest["metadata"] |= {"annotations": kept} if kept else {}
    if not kept:
        manifest["metadata"].pop("annotations", None)
    return manifest


def _is_hidden(item: Object) -> bool:
    """Return whether a value is unknown or hidden by the engine, so that no member can check the object."""
    return has_unknown(item) or HIDDEN in str(reveal(item))
