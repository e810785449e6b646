"""Turns a group of templates and policies into a workload of the stack file, with its manifests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from flotilla.adopt.grouping import Group
from flotilla.adopt.model import Report, Seal
from flotilla.adopt.names import file_names
from flotilla.adopt.secrets import is_secret, sealed, sets_secrets
from flotilla.adopt.short_form import short_form
from flotilla.adopt.written import as_written, policy_as_written
from flotilla.counts import counted
from flotilla.karmada.kinds import identity
from flotilla.karmada.names import is_dns_label
from flotilla.karmada.selection import selects
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object, ref_of

Keys = dict[str, Any]
Files = dict[str, list[Object]]
"""Manifests by path, relative to the project's folder."""

MOST_FILES = 500
"""Up to this number of objects of a workload, each object gets its own file."""
_DEFAULT = "default"


@dataclass(frozen=True)
class Draft:
    """One workload to be written into the stack file."""

    name: str
    namespace: str
    folder: str
    """The folder of its manifests, relative to the project."""
    manifests: Files
    """The manifests by file name, in the order in which a policy selects them."""
    policies: Files
    secrets: list[Keys] = field(default_factory=list)
    short: Keys | None = None
    """The policies in short form; None: they are declared unchanged."""

    @property
    def entry(self) -> Keys:
        """The entry of `flotilla:workloads`."""
        in_order = self.short is None or list(self.manifests) == sorted(self.manifests)
        files = [self.folder] if in_order else [f"{self.folder}/{name}" for name in self.manifests]
        keys: Keys = {"name": self.name}
        if self.namespace != _DEFAULT:
            keys["namespace"] = self.namespace
        keys["manifests"] = files
        if self.secrets:
            keys["secrets"] = self.secrets
        return keys | (self.short if self.short is not None else {"policies": [f"{self.folder}/policies"]})

    @property
    def files(self) -> Files:
        """All files to write for the workload, by path."""
        found = {f"{self.folder}/{name}": objects for name, objects in self.manifests.items()}
        if self.short is None:
            found |= {f"{self.folder}/policies/{name}": objects for name, objects in self.policies.items()}
        return found

    @property
    def objects(self) -> int:
        """The number of templates that it declares."""
        return sum(map(len, self.manifests.values())) + len(self.secrets)

    def as_given(self) -> Draft:
        """Return the workload with its policies unchanged."""
        return replace(self, short=None)


def draft_of(
    group: Group, name: str, folder: str, *, seal: Seal | None, version: Version | None, report: Report
) -> Draft | None:
    """Return a group as a workload; None where nothing of it can be declared, with the reason in the report."""
    namespace = _namespace(group)
    secret_templates = [one for one in group.templates if is_secret(one)]
    found = sealed(secret_templates, namespace, seal, report)
    kept = replace(group, others=tuple(p for p in group.others if not _left_out(p, group, report)))
    templates = [as_written(one) for one in _by_selector(group, [t for t in group.templates if not is_secret(t)])]
    if not templates:
        for one in found.templates:
            report.leave_out(str(ref_of(one)), "a workload needs a manifest beside its `secrets`, but it has none")
        return None
    secrets = _by_selector(group, found.objects)
    places = {identity(obj): entry for obj, entry in zip(found.objects, found.keys, strict=True)}
    _notes(name, group, report)
    return Draft(
        name,
        namespace,
        folder,
        file_names(templates, most=MOST_FILES),
        file_names((policy_as_written(one) for one in kept.policies), most=MOST_FILES),
        [places[identity(one)] for one in secrets],
        _short(kept, name, [*templates, *secrets], version),
    )


def _short(group: Group, name: str, templates: list[Object], version: Version | None) -> Keys | None:
    if name != group.senders[0]["metadata"]["name"] or len(templates) > MOST_FILES:
        return None
    return short_form(group, templates, version)


def _namespace(group: Group) -> str:
    """Return the workload's namespace: the one of its objects, or of its Secrets if objects are in several."""
    counts = Counter(str(one["metadata"].get("namespace") or "") for one in group.templates if is_secret(one))
    for policy in group.senders:
        counts[str(policy["metadata"].get("namespace") or "")] += 0
    for one in group.templates:
        counts[str(one["metadata"].get("namespace") or "")] += 0
    named = sorted((-count, name) for name, count in counts.items() if name)
    return named[0][1] if named and is_dns_label(named[0][1]) else _DEFAULT


def _by_selector(group: Group, templates: list[Object]) -> list[Object]:
    """Return templates in the order in which their policies select them."""
    selectors = [one for policy in group.senders for one in (policy.get("spec") or {}).get("resourceSelectors") or []]

    def order(template: Object) -> tuple[Any, ...]:
        for number, selector in enumerate(selectors):
            probe = {"kind": "OverridePolicy", "metadata": {}, "spec": {"resourceSelectors": [selector]}}
            if selects(probe, template):
                return (number, *map(str, identity(template)))
        return (len(selectors), *map(str, identity(template)))

    return sorted(templates, key=order)


def _left_out(policy: Object, group: Group, report: Report) -> bool:
    if not sets_secrets(policy, group.templates):
        return False
    report.leave_out(
        str(ref_of(policy)),
        "it sets values of a Secret, which would be in clear text: write `overrides` with encrypted values",
    )
    return True


def _notes(name: str, group: Group, report: Report) -> None:
    if len(group.senders) > 1:
        listed = ", ".join(str(ref_of(one)) for one in group.senders)
        report.notes.append(f"workload {name}: {listed} are one workload, because some of them select the same objects")
    namespaces = [one for one in group.namespaces if one]
    if len(namespaces) > 1:
        report.notes.append(
            f"workload {name}: its policies send objects of {counted(len(namespaces), 'namespace')}: "
            f"{', '.join(namespaces)}"
        )
