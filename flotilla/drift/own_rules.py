"""Drift rules that others wrote (`flotilla.drift_rules`): functions that look at one cluster and return findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from flotilla.deploy.declared import CONTROL_PLANE
from flotilla.drift.findings import Finding
from flotilla.errors import FlotillaError
from flotilla.kube.connection import Connection
from flotilla.kube.objects import Object
from flotilla.plugins import Group, Plugin, plugins


@dataclass(frozen=True)
class Seen:
    """What a rule looks at: one cluster that answers."""

    cluster: str
    """The member's name; `karmada` for the control plane."""
    connection: Connection
    """To ask the cluster by; a rule only reads."""
    objects: tuple[Object, ...]
    """What the stack's state declares in this cluster, as plain objects: for a member, what its join needs."""

    @property
    def is_control_plane(self) -> bool:
        """It is Karmada's own API."""
        return self.cluster == CONTROL_PLANE


Rule = Callable[[Seen], Iterable[Finding]]
"""Returns what it finds in a cluster. It raises ClusterError where the cluster could not be asked."""


@dataclass(frozen=True)
class OwnRule:
    """One rule, with whose it is."""

    plugin: Plugin
    rule: Rule

    def find(self, seen: Seen) -> list[Finding]:
        """Ask the rule about a cluster.

        Raises:
            FlotillaError: the cluster could not be asked, or the rule failed. What it would have found is not known.
        """
        try:
            found: list[Any] = list(self.rule(seen))
        except FlotillaError:
            raise
        except Exception as error:
            raise self.plugin.unusable(f"failed: {type(error).__name__}: {error}") from error
        wrong = next((one for one in found if not isinstance(one, Finding)), None)
        if wrong is not None:
            raise self.plugin.unusable(f"returned something that is no Finding: {type(wrong).__name__}")
        return found

    def on(self, seen: Seen) -> Callable[[], list[Finding]]:
        """Return the question to a cluster."""
        return partial(self.find, seen)


def own_rules(project: Path) -> tuple[OwnRule, ...]:
    """Return the rules of packages, and of the project's `pyproject.toml`.

    Raises:
        PluginError: one of them can't be used: a look without it would call a fleet clean that nobody has looked at.
    """
    rules = []
    for plugin in plugins(Group.DRIFT_RULES, project).values():
        rule = plugin.load()
        if not callable(rule):
            raise plugin.unusable(f"is no function: it is of the type {type(rule).__name__}")
        rules.append(OwnRule(plugin, rule))
    return tuple(rules)
