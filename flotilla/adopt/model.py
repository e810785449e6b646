"""What is read of a fleet, which part of it is meant, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flotilla.karmada.scheduling import labels_match
from flotilla.kube.objects import Object

Seal = Callable[[str], str]
"""Encrypts a value for the stack file; returns the text that stands under `secure`."""


@dataclass(frozen=True, order=True)
class LeftOut:
    """Something of the fleet that the written stack doesn't declare."""

    what: str
    """Kind and name, or a field of it."""
    why: str

    def to_json(self) -> dict[str, str]:
        """Return it for machines."""
        return {"object": self.what, "reason": self.why}


@dataclass(frozen=True, order=True)
class Finding:
    """Something of the fleet that looks wrong."""

    rule: str
    """Such as `competing-policies`; docs/guides/adopt.md lists them."""
    what: str
    """Kind and name."""
    message: str

    def to_json(self) -> dict[str, str]:
        """Return it for machines."""
        return {"rule": self.rule, "object": self.what, "message": self.message}


@dataclass
class Report:
    """What the user has to know beside the written files."""

    left_out: list[LeftOut] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """How parts of the fleet were understood, a line each."""

    def leave_out(self, what: str, why: str) -> None:
        """Record something that isn't declared."""
        self.left_out.append(LeftOut(what, why))

    def to_json(self) -> dict[str, Any]:
        """Return it for machines, in a stable order and each line once."""
        return {
            "leftOut": [one.to_json() for one in sorted(set(self.left_out))],
            "findings": [one.to_json() for one in sorted(set(self.findings))],
            "notes": list(dict.fromkeys(self.notes)),
        }


@dataclass(frozen=True)
class Selection:
    """Which part of a fleet is adopted; empty parts leave nothing out."""

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
        """Tell whether only some of the templates are meant."""
        return bool(self.namespaces or self.labels or self.policies)

    def has_member(self, name: str) -> bool:
        """Tell whether a member is meant."""
        return not self.members or name in self.members

    def has_object(self, obj: Object) -> bool:
        """Tell whether an object is meant, by its namespace and labels."""
        meta = obj["metadata"]
        if self.namespaces and str(meta.get("namespace") or "") not in self.namespaces:
            return False
        return not self.labels or labels_match(meta.get("labels") or {}, self.labels)

    def has_policy(self, policy: Object) -> bool:
        """Tell whether what a policy sends is meant."""
        meta = policy["metadata"]
        full = f"{meta.get('namespace') or ''}/{meta['name']}"
        return not self.policies or str(meta["name"]) in self.policies or full in self.policies


@dataclass(frozen=True)
class Credentials:
    """What Karmada knows a member by."""

    authority: str = ""
    """The CA that verifies it, base64."""
    account: str = ""
    """The ServiceAccount of the token, as NAMESPACE/NAME; empty where the token doesn't say it."""


@dataclass(frozen=True)
class Found:
    """What is there, as the API server gives it."""

    clusters: tuple[Object, ...] = ()
    policies: tuple[Object, ...] = ()
    """Of all four kinds."""
    templates: tuple[Object, ...] = ()
    """Objects that policies may send: of every kind that a policy selects, a binding has, or that usually runs."""
    bindings: tuple[Object, ...] = ()
    objects: tuple[Object, ...] = ()
    """Objects of Karmada's own kinds that users declare."""
    definitions: tuple[Object, ...] = ()
    """The CustomResourceDefinitions."""
    webhooks: tuple[Object, ...] = ()
    """The MutatingWebhookConfigurations."""
    credentials: Mapping[str, Credentials] = field(default_factory=dict)
    """By the member's name."""
    unfinished: frozenset[str] = frozenset()
    """Names of members whose Secrets are there and whose Cluster is not: a join that broke off."""
    unread: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class MemberFacts:
    """What a member's own API server says of it; nothing where no kubeconfig was given or it didn't answer."""

    path: str = ""
    """The kubeconfig as the stack file is to name it; empty where there is none."""
    context: str = ""
    server: str = ""
    authority: str = ""
    """The CA of the kubeconfig, base64."""
    problem: str = ""
    """Why nothing else is known."""
    agents: tuple[Object, ...] = ()
    """Deployments of agents."""
    joining: bool = False
    """The account that a join makes for Karmada is there."""
    administrators: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By account (NAMESPACE/NAME): the ClusterRoleBindings that give it all rights."""
