"""Policies that users wrote: determines which of them sends which objects, and converts them into keys.

A workload with `policies` becomes one workload for each policy that sends any of its objects. Each of these parts has
its own placement, and is planned, rolled out and judged like any other workload.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import ValidationError

from flotilla.karmada.dependencies import refers_to
from flotilla.karmada.kinds import Identity, defined_kinds, goes_by_itself, identity, in_namespace
from flotilla.karmada.propagation import declared_policy
from flotilla.karmada.rendering.policies import may_reach
from flotilla.karmada.selection import OVERRIDES, claimant, is_policy, selects
from flotilla.karmada.versions import SUPPORTED, Version
from flotilla.kube.objects import Object, ref_of
from flotilla.kube.reading import UnreadableFile
from flotilla.stack.files import ManifestFiles, manifest_files
from flotilla.stack.from_policies import workload_keys
from flotilla.stack.given import GivenPolicies
from flotilla.stack.problems import ConfigError, Problem, problems_of
from flotilla.stack.workloads import Workload
from flotilla.workloads.manifests import ManifestError
from flotilla.workloads.objects import as_written, manifests_of

_NOWHERE = "the workload would have no placement"
_LONGEST = 63
_DIGEST = 8


def with_policies(
    workloads: Iterable[tuple[int, Workload]],
    files: ManifestFiles,
    problems: list[Problem],
    version: Version | None = None,
) -> list[tuple[int, Workload]]:
    """Return each workload with its place in the stack file; a workload with policies as its parts, one per policy.

    A workload whose files can't be read, or whose policies don't place all of its objects, is returned unchanged, and
    its problems are added to `problems`. What comes after a workload comes after all of its parts.

    Args:
        workloads: by position in the stack file.
        files: the reader of manifests and policies.
        problems: the list to which problems are added.
        version: Karmada's version, which decides what follows what; None (not known) means the newest.
    """
    found: list[tuple[int, Workload]] = []
    split: dict[str, tuple[str, ...]] = {}
    for index, workload in workloads:
        if not workload.policies:
            found.append((index, workload))
            continue
        splitting = _Splitting(f"workloads[{index}]", workload, files, version)
        parts = splitting.parts()
        problems += splitting.problems
        parts = [workload] if splitting.problems else parts
        split[workload.name] = tuple(part.name for part in parts)
        found += [(index, part) for part in parts]
    return [(index, _after(workload, split)) for index, workload in found]


def _after(workload: Workload, split: Mapping[str, tuple[str, ...]]) -> Workload:
    after = tuple(part for name in workload.after for part in split.get(name, (name,)))
    return workload if after == workload.after else workload.model_copy(update={"after": after})


@dataclass
class _Group:
    """A policy with the objects that it sends."""

    sender: Object
    templates: list[Object] = field(default_factory=list)
    """The objects that it selects."""
    followers: list[Object] = field(default_factory=list)
    """Objects that no policy selects and that follow these."""
    declares: list[Object] = field(default_factory=list)
    """The followers that no earlier group declares."""

    @property
    def everything(self) -> list[Object]:
        return [*self.templates, *self.followers]

    def sends_along(self, one: Object, version: Version) -> bool:
        """Return whether Karmada sends an object along with the policy's objects (propagateDeps)."""
        spec = self.sender["spec"]
        return bool(spec.get("propagateDeps") or spec.get("association")) and any(
            refers_to(template, one, version) for template in self.templates
        )


class _Splitting:
    """Divides one workload with policies into its parts."""

    def __init__(self, where: str, workload: Workload, files: ManifestFiles, version: Version | None) -> None:
        self._where, self._workload, self._files = where, workload, files
        self._known, self._version = version, version or SUPPORTED.newest
        self._written: dict[int, Identity] = {}
        self.problems: list[Problem] = []

    def parts(self) -> list[Workload]:
        """Return the parts; problems are in `problems`."""
        try:
            read = as_written(self._workload, self._files)
            objects = manifests_of(self._workload, self._files)
        except ConfigError:
            return [self._workload]  # the check of files reports it
        kinds = defined_kinds(objects)
        policies = [
            self._with_defaults(policy) for policy in self._read([obj for obj in read if is_policy(obj)], objects)
        ]
        pairs = [(obj, in_namespace(obj, self._workload.namespace, kinds)) for obj in objects]
        if self.problems:
            return []
        self._written = {id(declared): identity(obj) for obj, declared in pairs}
        groups = self._groups(policies, [declared for _, declared in pairs])
        return self._parts_of(policies, groups) if not self.problems else []

    def _read(self, policies: list[Object], objects: list[Object]) -> list[Object]:
        """Return the policies among the manifests and in the policies' own files, each once."""
        found = {identity(policy): policy for policy in policies}
        known = {identity(obj) for obj in objects}
        for entry in manifest_files(self._workload.policies, self._files):
            where, value = f"{self._where}.policies[{entry.position}]", f'"{entry.file}"'
            try:
                listed = self._files.objects(entry)
            except UnreadableFile as error:
                self._problem(where, error.message, _NOWHERE, "give an existing file", value)
                continue
            except ManifestError as error:
                for problem in error.problems:
                    self._problem(where, problem, _NOWHERE, "fix the file", value)
                continue
            for obj in listed:
                if is_policy(obj):
                    if found.setdefault(identity(obj), obj) != obj:
                        rule = f"{ref_of(obj)} occurs twice"
                        self._problem(where, rule, "one would replace the other", "remove one", value)
                elif identity(in_namespace(obj, self._workload.namespace)) not in known:
                    self._problem(
                        where,
                        f"{obj['kind']} {obj['metadata']['name']} is not a policy of Karmada",
                        "it would be propagated nowhere",
                        "list the file under 'manifests' as well",
                        value,
                    )
        return list(found.values())

    def _with_defaults(self, policy: Object) -> Object:
        """Return a policy in its namespace, with the defaults that Karmada's webhook would set."""
        return declared_policy(policy, namespace=self._workload.namespace, version=self._known)

    def _groups(self, policies: list[Object], templates: list[Object]) -> list[_Group]:
        """Return each policy with its templates and followers, in the order of the templates."""
        found: dict[Identity, _Group] = {}
        free: list[Object] = []
        unselected: list[Object] = []
        for one in templates:
            sender = claimant(policies, one)
            if goes_by_itself(one):
                free.append(one)
            elif sender is None:
                unselected.append(one)
            else:
                found.setdefault(identity(sender), _Group(sender)).templates.append(one)
        groups = list(found.values())
        for one in unselected:
            self._follow(one, groups)
        if groups:
            groups[0].templates[:0] = free
        elif not self.problems:
            self._problem(
                f"{self._where}.policies", "select none of the manifests", "nothing would run", "fix their selectors"
            )
        return groups

    def _follow(self, one: Object, groups: list[_Group]) -> None:
        """Add an object that no policy selects to the groups that it follows."""
        users = [group for group in groups if group.sends_along(one, self._version)]
        for group in users:
            group.followers.append(one)
        if users:
            users[0].declares.append(one)
            return
        self._problem(
            f"{self._where}.policies",
            f"no policy selects {ref_of(one)}",
            "it would run nowhere",
            "add it to a policy's resourceSelectors, or list it in a separate workload",
        )

    def _parts_of(self, policies: list[Object], groups: list[_Group]) -> list[Workload]:
        senders = {identity(group.sender) for group in groups}
        reaching = {identity(p) for group in groups for p in _reaching(policies, group.everything)}
        declared: set[Identity] = set()
        parts: list[Workload] = []
        for number, group in enumerate(groups):
            sender = group.sender
            overrides = _reaching(policies, group.everything)
            # Policies without effect are declared too, with the first part: they may affect other objects.
            idle = [p for p in policies if number == 0 and identity(p) not in senders | reaching]
            own = [sender, *overrides, *idle]
            reading = workload_keys(sender["spec"])
            given = GivenPolicies(
                sender=sender,
                overrides=tuple(overrides),
                declares=tuple(p for p in own if identity(p) not in declared),
                objects=frozenset(self._written[id(one)] for one in (*group.templates, *group.declares)),
                followers=tuple(group.followers),
                messages=(
                    *(f"{ref_of(sender)}: the plan ignores {field}" for field in reading.unread),
                    *(_without_effect(policy) for policy in idle),
                    *(_unnoticed(policy) for policy in overrides if not _selects_any(policy, group.everything)),
                    *_namespaces(sender, group.templates),
                ),
            )
            declared |= {identity(policy) for policy in own}
            keys = {"name": "part", "image": "part", **reading.keys}
            try:
                parsed = Workload.model_validate(keys)
            except ValidationError as error:
                prefix = f"{self._where}.policies ({ref_of(sender)})"
                self.problems += problems_of(error, keys, prefix=prefix, model=Workload)
                continue
            said = {name: getattr(parsed, name) for name in parsed.model_fields_set - {"name", "image"}}
            name = self._workload.name if len(groups) == 1 else _part_name(self._workload.name, sender, senders)
            former = self._workload.formerly if len(groups) == 1 else None
            parts.append(self._workload.with_given(given, {**said, "name": name, "formerly": former}))
        return parts

    def _problem(self, where: str, rule: str, consequence: str, remedy: str, value: str = "") -> None:
        self.problems.append(Problem(where, rule, consequence, remedy, value))


def check_given(workloads: list[tuple[int, Workload]], files: ManifestFiles) -> list[Problem]:
    """Check given policies against other workloads: no two policies of one name, no selected objects of others.

    Args:
        workloads: the valid workloads, with parts instead of workloads with policies.
        files: the reader of manifests; workloads whose files can't be read are left out.
    """
    if not any(workload.given for _, workload in workloads):
        return []
    objects: dict[str, list[Object]] = {}
    for _, workload in workloads:
        with suppress(ConfigError):
            objects[workload.name] = manifests_of(workload, files)
    kinds = defined_kinds(obj for listed in objects.values() for obj in listed)
    objects = {name: [in_namespace(obj, "", kinds) for obj in listed] for name, listed in objects.items()}
    problems: list[Problem] = []
    for index, workload in workloads:
        if not workload.given:
            continue
        for policy in workload.given.declares:
            problems += _check_name(f"workloads[{index}].policies", index, policy, workloads)
            for other_index, other in workloads:
                caught = [one for one in objects.get(other.name, []) if other_index != index and selects(policy, one)]
                problems += [
                    Problem(
                        f"workloads[{index}].policies",
                        f"{ref_of(policy)} selects {ref_of(one)} of the workload {other.name!r} too",
                        "Karmada would apply it there, and the plan of that workload would not show it",
                        "narrow its selectors, or list the object among this workload's manifests",
                    )
                    for one in caught[:1]
                ]
    return problems


def _check_name(where: str, index: int, policy: Object, workloads: list[tuple[int, Workload]]) -> list[Problem]:
    for other_index, other in workloads:
        if other_index == index:
            continue
        names = {identity(p) for p in other.given.declares} if other.given else set()
        generated = not other.given and policy["metadata"]["name"] == other.object_name
        if identity(policy) in names or generated:
            return [
                Problem(
                    where,
                    f"{ref_of(policy)} has the name of a policy of the workload {other.name!r}",
                    "one would overwrite the other",
                    "rename the workload, or the policy",
                )
            ]
    return []


def _reaching(policies: list[Object], templates: list[Object]) -> list[Object]:
    """Return the override policies that reach any of some templates, in their order."""
    overrides = [policy for policy in policies if policy["kind"] in OVERRIDES]
    return [policy for policy in overrides if any(may_reach(policy, overrides, one) for one in templates)]


def _selects_any(policy: Object, templates: list[Object]) -> bool:
    return any(selects(policy, template) for template in templates)


def _unnoticed(policy: Object) -> str:
    """Describe a gap in Karmada: for a changed override policy, it matches objects as they are before any override.

    Source: pkg/controllers/binding, newOverridePolicyFunc, of 1.10 to 1.18.
    """
    return (
        f"{ref_of(policy)} selects by labels that a cluster-wide policy sets: Karmada applies it, but doesn't notice "
        "when it alone is added, changed or deleted; it notices with the next change of the objects"
    )


def _without_effect(policy: Object) -> str:
    return f"{ref_of(policy)} has no effect: it selects none of the workload's objects, or another policy sends them"


def _namespaces(sender: Object, templates: list[Object]) -> Iterator[str]:
    for one in templates:
        if goes_by_itself(one) and selects(sender, one):
            yield f"{ref_of(sender)} selects {ref_of(one)}, which Karmada sends to every member without a policy"


def _part_name(workload: str, sender: Object, senders: set[Identity]) -> str:
    """Return a DNS label as the name of the part that a policy sends: `shop-frontend`."""
    _, _, namespace, name = identity(sender)
    alike = [one for one in senders if one[-1] == name]
    text = name if len(alike) == 1 else f"{namespace or 'cluster'}-{name}"
    label = re.sub(r"[^a-z0-9-]+", "-", f"{workload}-{text}")
    if len(label) <= _LONGEST:
        return label
    digest = hashlib.sha256(str(ref_of(sender)).encode()).hexdigest()[:_DIGEST]
    return f"{label[: _LONGEST - _DIGEST - 1].rstrip('-')}-{digest}"
