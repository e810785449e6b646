"""Composes the stack that declares an existing fleet: its sections, its manifests, and a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flotilla.adopt.divisions import stale_divisions
from flotilla.adopt.grouping import Group, groups_of, merged, sender_of
from flotilla.adopt.judging import findings_of, followers, is_reserved, short_key
from flotilla.adopt.members import member_of, unfinished_member
from flotilla.adopt.model import Credentials, Found, MemberFacts, Report, Seal, Selection
from flotilla.adopt.names import Names, file_names, workload_name
from flotilla.adopt.objects import own_objects
from flotilla.adopt.secrets import is_secret
from flotilla.adopt.valid import OBJECTS, Sections, valid
from flotilla.adopt.version import installed_by, patch_release, version_of
from flotilla.adopt.workloads import MOST_FILES, Draft, draft_of
from flotilla.adopt.writing import document_text
from flotilla.counts import counted
from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.kinds import goes_by_itself, identity
from flotilla.karmada.selection import POLICIES, selects
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.kube.objects import Object, ref_of
from flotilla.stack.stackfile import PROJECT

Keys = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """The user's request."""

    folder: str
    """The folder of the manifests, relative to the project."""
    kubeconfig: Any
    """The control plane's kubeconfig, in the form for the stack file: a path, or path and context."""
    selection: Selection = field(default_factory=Selection)
    version: str = ""
    """Karmada's version, if the user gives it."""
    seal: Seal | None = None
    members_from: str = ""
    """Another stack whose members run the workloads; this stack then declares no members."""


@dataclass(frozen=True)
class Adopted:
    """The result: what to write, and what to report."""

    sections: Keys
    """The sections of the stack file, without the project's prefix."""
    files: Mapping[str, str]
    """The texts of the manifests by path, relative to the project."""
    report: Report
    counts: Mapping[str, int]

    def stack_text(self, *, salt: str = "") -> str:
        """Return the stack file's text; `salt` is the salt of its encrypted values, if it has any."""
        encrypted = any(entry.get("secrets") for entry in self.sections.get("workloads", []))
        secret = {"encryptionsalt": salt} if salt and encrypted else {}
        config = {f"{PROJECT}:{key}": value for key, value in self.sections.items()}
        return _HEADER + document_text([{**secret, "config": config}])


_HEADER = """\
# yaml-language-server: $schema=fleet.schema.json
#
# Written by `flotilla adopt` from an existing fleet. It is yours now: Flotilla doesn't write it again.
"""


def adopt(found: Found, facts: Mapping[str, MemberFacts], wanted: Wanted, *, project: Path) -> Adopted:
    """Return the stack that declares an existing fleet; the report names everything that it can't declare.

    Args:
        found: the existing fleet.
        facts: the facts that were read from members, by name.
        wanted: the user's request.
        project: the project's folder, for paths of kubeconfigs.

    Raises:
        ConfigError: a part of the stack that can't be left out would be invalid.
    """
    report = Report(left_out=list(found.unread))
    selection = wanted.selection
    version = wanted.version or patch_release(str(version_of(found.definitions) or ""), facts.values())
    sent = _sent(found, selection, known_version(version) or SUPPORTED.newest, report)
    control_plane: Keys = {"kubeconfig": wanted.kubeconfig} | ({"version": version} if version else {})
    members = () if wanted.members_from else _members(found, facts, selection, version, report)
    drafts = _drafts(sent, found, wanted, version, report)
    own = own_objects(found.objects, {identity(template) for template, _ in sent}, selection, report)
    sections = Sections(
        control_plane,
        members,
        frozenset(str(one["name"]) for one in members if not facts.get(str(one["name"]), MemberFacts()).path),
        drafts,
        {f"{wanted.folder}/{OBJECTS}/{name}": objs for name, objs in file_names(own, most=MOST_FILES).items()},
        wanted.members_from,
    )
    sections = valid(sections, report, project=project)
    _describe(found, wanted, version, report)
    report.findings += findings_of(found, sent, facts, selection)
    report.findings += stale_divisions(found, [template for template, _ in sent], known_version(version))
    return Adopted(
        sections.plain(object_files=[f"{wanted.folder}/{OBJECTS}"]),
        sections.texts,
        report,
        {
            "members": len(sections.members),
            "workloads": len(sections.drafts),
            "templates": sum(draft.objects for draft in sections.drafts),
            "controlPlaneObjects": sum(map(len, sections.objects.values())),
        },
    )


def _describe(found: Found, wanted: Wanted, version: str, report: Report) -> None:
    installer = installed_by(found.webhooks)
    by = f"installed by {installer}" if installer else "it is unknown how it was installed"
    if not version:
        said = "its definitions don't show its version: add `version` to controlPlane, such as `version: 1.18.2`"
    elif wanted.version:
        said = f"Karmada {version}, as given"
    else:
        newest = known_version(version) == SUPPORTED.newest
        said = f"Karmada {version}{' or newer' if newest else ''}, according to the fields of its API"
    report.notes.insert(0, f"control plane: {said}; {by}; the stack uses it by its kubeconfig and never upgrades it")


# -- the parts --------------------------------------------------------------------------------------------------------


def _members(
    found: Found, facts: Mapping[str, MemberFacts], selection: Selection, version: str, report: Report
) -> tuple[Keys, ...]:
    taints = [
        (str(taint.get("key")), str(taint.get("effect")))
        for obj in found.objects
        if obj["kind"] == "ClusterTaintPolicy"
        for taint in (obj.get("spec") or {}).get("taints") or []
    ]
    known = {str(cluster["metadata"]["name"]) for cluster in found.clusters}
    begun = [name for name in sorted(facts.keys() - known) if selection.has_member(name)]
    whole = [
        member_of(
            cluster,
            facts.get(name, MemberFacts()),
            found.credentials.get(name, Credentials()),
            version=version,
            taints=taints,
            report=report,
        )
        for cluster in sorted(found.clusters, key=ref_of)
        if selection.has_member(name := str(cluster["metadata"]["name"]))
    ]
    return (*whole, *(unfinished_member(name, facts[name], report) for name in begun))


def _sent(found: Found, selection: Selection, version: Version, report: Report) -> list[tuple[Object, Object]]:
    """Return the templates to adopt, each with the policy that sends it, including followers."""
    along = followers(found.bindings)
    following: list[Object] = []
    sent: list[tuple[Object, Object]] = []
    more: dict[str, int] = {}
    for template in found.templates:
        if is_reserved(template):
            continue
        if goes_by_itself(template):
            continue
        sender = sender_of(template, found.policies)
        if sender is None:
            if short_key(template) in along:
                following.append(template)
            continue
        if not selection.has_policy(sender) or not selection.has_object(template):
            more[str(ref_of(sender))] = more.get(str(ref_of(sender)), 0) + 1
            continue
        if template["metadata"].get("deletionTimestamp"):
            report.leave_out(str(ref_of(template)), "it is being deleted")
            continue
        sent.append((template, sender))
    sent += _followed(following, sent, selection, version, report)
    spaces = sorted({str(template["metadata"].get("namespace") or "") for template, _ in sent} - {"", "default"})
    if spaces:
        report.leave_out(
            f"Namespace {', '.join(spaces)}",
            "Karmada sends namespaces to every member by itself; list one in a workload to let Karmada create it again",
        )
    adopted = {str(ref_of(sender)) for _, sender in sent}
    report.notes += [
        f"{policy}: sends {counted(count, 'more object')}, which {'is' if count == 1 else 'are'} not in this part"
        for policy, count in sorted(more.items())
        if policy in adopted
    ]
    return sent


def _followed(
    following: list[Object],
    sent: list[tuple[Object, Object]],
    selection: Selection,
    version: Version,
    report: Report,
) -> list[tuple[Object, Object]]:
    """Return objects that no policy selects but that Karmada sends along, with the policy of their user."""
    found = []
    for one in following:
        for template, sender in sent:
            spec = sender.get("spec") or {}
            takes = spec.get("propagateDeps") or spec.get("association")
            if takes and refers_to(template, one, version):
                found.append((one, sender))
                break
        else:
            if selection.has_object(one) and not selection.policies:
                why = "Karmada sends it along with an object that needs it, but no adopted object refers to it"
                report.leave_out(str(ref_of(one)), why)
    return found


def _drafts(
    sent: list[tuple[Object, Object]], found: Found, wanted: Wanted, version: str, report: Report
) -> tuple[Draft, ...]:
    groups = _with_manifests(groups_of(sent, list(found.policies)))
    names, drafts = Names(), []
    for group in groups:
        name = workload_name(group, names)
        draft = draft_of(
            group,
            name,
            f"{wanted.folder}/{name}",
            seal=wanted.seal,
            version=known_version(version),
            report=report,
        )
        if draft is not None:
            drafts.append(draft)
    _idle(found, groups, wanted.selection, report)
    return tuple(drafts)


def _with_manifests(groups: list[Group]) -> list[Group]:
    """Return groups without any that has only Secrets: a workload needs a manifest, and its Secrets its namespace."""
    lonely = [group for group in groups if all(is_secret(one) for one in group.templates)]
    result = [group for group in groups if group not in lonely]
    for group in lonely:
        place = next((i for i, one in enumerate(result) if set(group.namespaces) & set(one.namespaces)), None)
        if place is None:
            result.append(group)
        else:
            result[place] = merged([result[place], group])
    return result


def _idle(found: Found, groups: list[Group], selection: Selection, report: Report) -> None:
    """Report the policies that no workload declares."""
    declared = {identity(policy) for group in groups for policy in group.policies}
    for policy in found.policies:
        meant = selection.has_object(policy) and (policy["kind"] not in POLICIES or selection.has_policy(policy))
        if identity(policy) in declared or not meant or (selection.policies and policy["kind"] not in POLICIES):
            continue
        if not any(selects(policy, template) for template in found.templates):
            report.leave_out(str(ref_of(policy)), "it selects no existing object")
        elif not selection.of_workloads:
            report.leave_out(str(ref_of(policy)), "none of the objects that it selects is adopted")
