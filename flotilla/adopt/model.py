"""The data read from a fleet, the part of it to adopt, and the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.scheduling import labels_match
from flotilla.kube.objects import Object

Seal = Callable[[str], str]
"""Encrypts a value for the stack file; returns the text to write under `secure`."""


@dataclass(frozen=True, order=True)
class LeftOut:
    """A part of the fleet that the written stack doesn't declare."""

    what: str
    """Kind and name, or a field of an object."""
    why: str

    def to_json(self) -> dict[str, str]:
        """Return it in its JSON form."""
        return {"object": self.what, "reason": self.why}


@dataclass(frozen=True, order=True)
class Finding:
    """A part of the fleet that looks wrong."""

    rule: str
    """The name of the rule, such as `competing-policies`; docs/guides/adopt.md lists them."""
    what: str
    """Kind and name."""
    message: str

    def to_json(self) -> dict[str, str]:
        """Return it in its JSON form."""
        return {"rule": self.rule, "object": self.what, "message": self.message}


@dataclass
class Report:
    """What the user has to know in addition to the written files."""

    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """How parts of the fleet were understood, a line each."""

    def leave_out(self, what: str, why: str) -> None:
        """Record an object, or a part of one, that isn't declared."""
        self.left_out.append(LeftOut(what, why))

    def to_json(self) -> dict[str, Any]:
        """Return the report in its JSON form, in a stable order and each line once."""
        return {
            "leftOut": [one.to_json() for one in sorted(set(self.left_out))],
            "findings": [one.to_json() for one in sorted(set(self.findings))],
            "notes": list(dict.fromkeys(self.notes)),
        }


@dataclass(frozen=True)
class Selection:
    """The part of a fleet to adopt; empty conditions leave nothing out."""

    namespaces: frozenset[str] = frozenset()
    """Namespaces of templates, policies and objects."""
    labels: Object = field(default_factory=dict)
    """A LabelSelector (meta/v1) for templates and objects."""
    policies: frozenset[str] = frozenset()
    """Policies that send templates, as NAME or NAMESPACE/NAME."""
    members: frozenset[str] = frozenset()
    """Members by name."""

    @property
    def of_workloads(self) -> bool:
        """Whether the selection includes only some of the templates."""
        return bool(self.namespaces or self.labels or self.policies)

    def has_member(self, name: str) -> bool:
        """Return whether the selection includes a member."""
        return not self.members or name in self.members

    def has_object(self, obj: Object) -> bool:
        """Return whether the selection includes an object, by its namespace and labels."""
        meta = obj["metadata"]
        if self.namespaces and str(meta.get("namespace") or "") not in self.namespaces:
            return False
        return not self.labels or labels_match(meta.get("labels") or {}, self.labels)

    def has_policy(self, policy: Object) -> bool:
        """Return whether the selection includes the objects that a policy sends."""
        meta = policy["metadata"]
        full = f"{meta.get('namespace') or ''}/{meta['name']}"
        return not self.policies or str(meta["name"]) in self.policies or full in self.policies


@dataclass(frozen=True)
class Credentials:
    """Karmada's credentials for a member."""

    authority: str = ""
    """The CA that verifies the member, base64."""
    account: str = ""
    """The ServiceAccount of the token, as NAMESPACE/NAME; empty where the token doesn't show it."""


@dataclass(frozen=True)
class Found:
    """The existing fleet, as the API server returns its objects."""

    clusters: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    """Policies of all four kinds."""
    templates: tuple[Object, ...] = ()
    """Objects that policies may send: kinds that a policy selects, that a binding has, or that usually run."""
    bindings: tuple[Object, ...] = ()
    objects: tuple[Object, ...] = ()
    """Objects of Karmada's own kinds that users declare."""
    definitions: tuple[Object, ...] = ()
    """The CustomResourceDefinitions."""
    webhooks: tuple[Object, ...] = ()
    """The MutatingWebhookConfigurations."""
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    """The credentials by the member's name."""
    unfinished: frozenset[str] = frozenset()
    """Names of members whose Secrets exist but whose Cluster doesn't: unfinished joins."""
    unread: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class MemberFacts:
    """Facts from a member's own API server; empty where no kubeconfig was given or it didn't answer."""

    path: str = ""
    """The kubeconfig's path for the stack file; empty where there is none."""
    context: str = ""
    server: str = ""
    authority: str = ""
    """The CA of the kubeconfig, base64."""
    problem: str = ""
    """Why nothing else is known."""
    agents: tuple[Object, ...] = ()
    """Deployments of karmada-agents."""
    joining: bool = False
    """The account that a join creates for Karmada exists."""
    administrators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By account (NAMESPACE/NAME): the ClusterRoleBindings that give it all permissions."""
