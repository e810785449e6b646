"""The policies that Flotilla generates for a workload: one sends its templates, others override them by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flotilla.karmada.aiming import override_policies
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.propagation import DEFINITIONS, further, propagation_policy
from flotilla.kube.objects import Object, ObjectRef, ref_of


@dataclass(frozen=True)
class PolicySet:
    """The policies for some of a workload's templates: those of one namespace, or the cluster-wide ones."""

    suffix: str
    """The suffix after the workload's name in the names of their resources."""
    propagation: Object | None
    """The policy that sends the templates; None where Karmada sends them without a policy."""
    overrides: dict[str, Object]
    """The override policies, by the suffix of their names. They exist even without rules: when rules are removed, that
    is an update before the rollout waits. A deletion would come after the rollout, which would therefore wait without
    success."""

    def refs(self) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Return the policy that sends, and the override policies."""
        sending = [ref_of(self.propagation)] if self.propagation else []
        return sending, [ref_of(one) for one in self.overrides.values()]


@dataclass(frozen=True)
class OwnPolicies:
    """What all policies of a workload have in common."""

    name: str
    """The beginning of their names."""
    namespace: str
    """The workload's namespace."""
    spec: Object
    """The PropagationSpec (policy/v1alpha1), without selectors."""
    rules: Sequence[Object]
    """The override rules, in order."""

    def further(self, templates: Sequence[Object]) -> dict[str, str]:
        """Return the suffix of the policies' names by further namespace, in the order of the templates."""
        namespaces = dict.fromkeys(str(m["metadata"].get("namespace") or self.namespace) for m in templates)
        return {name: further(name, self.namespace) for name in namespaces if name != self.namespace}

    def of_definitions(self, definitions: Sequence[Object]) -> PolicySet:
        """Return the policies of definitions for which the workload's other objects wait."""
        return self._set(DEFINITIONS, None, f"{self.name}{DEFINITIONS}", definitions, definitions)

    def of_others(self, ahead: Sequence[Object], rest: Sequence[Object]) -> list[PolicySet]:
        """Return the policies of all other templates.

        Args:
            ahead: the workload's Namespaces.
            rest: templates that are neither Namespaces nor definitions for which other objects wait.
        """
        found = []
        for namespace, suffix in {self.namespace: "", **self.further(rest)}.items():
            group = [m for m in rest if m["metadata"].get("namespace") == namespace]
            found.append(self._set(suffix, namespace, f"{self.name}{suffix}", group, group))
        group = [m for m in rest if not m["metadata"].get("namespace")]
        sent = [*(m for m in ahead if not goes_by_itself(m)), *group]
        return [*found, self._set("-cluster", None, self.name, sent, [*ahead, *group])]

    def _set(
        self, suffix: str, scope: str | None, name: str, sent: Sequence[Object], overridden: Sequence[Object]
    ) -> PolicySet:
        sending = propagation_policy(name, namespace=scope, templates=list(sent), spec=self.spec) if sent else None
        overrides = {}
        if overridden:
            overrides = override_policies(name, namespace=scope, templates=overridden, rules=self.rules)
        return PolicySet(suffix, sending, overrides)
