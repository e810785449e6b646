"""The policies that a workload has of its own: what sends its templates, and what makes them differ by cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flotilla.karmada.aiming import override_policies
from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.propagation import DEFINITIONS, further, propagation_policy
from flotilla.kube.objects import Object, ObjectRef, ref_of


@dataclass(frozen=True)
class PolicySet:
    """The policies of some of a workload's templates: those of a namespace, or the cluster-wide ones."""

    suffix: str
    """What follows the workload's name in the names of their resources."""
    propagation: Object | None
    """What sends the templates; None where they go by themselves."""
    overrides: dict[str, Object]
    """What makes them differ, by what ends the policies' names. Karmada has them even where nothing differs: rules that
    fall away are then an update, made before the rollout is waited for. A deletion would come after it, and the rollout
    would wait for it in vain."""

    def refs(self) -> tuple[list[ObjectRef], list[ObjectRef]]:
        """Return which policies send, and which make the templates differ."""
        sending = [ref_of(self.propagation)] if self.propagation else []
        return sending, [ref_of(one) for one in self.overrides.values()]


@dataclass(frozen=True)
class OwnPolicies:
    """What all policies of a workload have in common."""

    name: str
    """What their names begin with."""
    namespace: str
    """The workload's."""
    spec: Object
    """The PropagationSpec (policy/v1alpha1), without selectors."""
    rules: Sequence[Object]
    """Override rules in their order."""

    def further(self, templates: Sequence[Object]) -> dict[str, str]:
        """Return what ends the policies' names in each namespace beside the workload's own, in the templates' order."""
        namespaces = dict.fromkeys(str(m["metadata"].get("namespace") or self.namespace) for m in templates)
        return {name: further(name, self.namespace) for name in namespaces if name != self.namespace}

    def of_definitions(self, definitions: Sequence[Object]) -> PolicySet:
        """Return the policies of definitions that the workload's other objects wait for."""
        return self._set(DEFINITIONS, None, f"{self.name}{DEFINITIONS}", definitions, definitions)

    def of_others(self, ahead: Sequence[Object], rest: Sequence[Object]) -> list[PolicySet]:
        """Return the policies of all other templates.

        Args:
            ahead: its Namespaces.
            rest: templates that are neither Namespaces nor definitions that something waits for.
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
