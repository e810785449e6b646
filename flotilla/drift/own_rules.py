"""Drift rules of users and packages (`flotilla.drift_rules`): functions that check one cluster and return findings."""

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
    """The argument of a rule: one cluster that answers."""

    cluster: str
    """The member's name; `karmada` for the control plane."""
    connection: Connection
    """The connection to the cluster. A rule may only read."""
    objects: tuple[Object, ...]
    """The objects that the stack's state declares in this cluster; in a member these are the objects of its join."""

    @property
    def is_control_plane(self) -> bool:
        """Whether the cluster is Karmada's own API."""
        return self.cluster == CONTROL_PLANE


Rule = Callable[[Seen], Iterable[Finding]]
"""Returns the findings in a cluster. It raises ClusterError if the cluster did not answer."""


@dataclass(frozen=True)
class OwnRule:
    """A rule with the plugin that it comes from."""

    plugin: Plugin
    rule: Rule

    def find(self, seen: Seen) -> list[Finding]:
        """Return the rule's findings in a cluster.

        Raises:
            FlotillaError: the cluster did not answer, or the rule failed; so the findings are not known.
        """
        try:
            found: list[Any] = list(self.rule(seen))
        except FlotillaError:
            raise
        except Exception as error:
            raise self.plugin.unusable(f"failed: {type(error).__name__}: {error}") from error
        wrong = next((one for one in found if not isinstance(one, Finding)), None)
        if wrong is not None:
            raise self.plugin.unusable(f"returned something that is not a Finding: {type(wrong).__name__}")
        return found

    def on(self, seen: Seen) -> Callable[[], list[Finding]]:
        """Return a function that checks a cluster with this rule."""
        return partial(self.find, seen)


def own_rules(project: Path) -> tuple[OwnRule, ...]:
    """Return the rules of installed packages, and those in the project's `pyproject.toml`.

    Raises:
        PluginError: a rule is not usable. A check without it could report no drift although the rule would find some.
    """
    rules = []
    for plugin in plugins(Group.DRIFT_RULES, project).values():
        rule = plugin.load()
        if not callable(rule):
            raise plugin.unusable(f"is not a function: its type is {type(rule).__name__}")
        rules.append(OwnRule(plugin, rule))
    return tuple(rules)
