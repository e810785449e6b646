"""A workload that changes in waves: what its resources Hold and Rollout are given, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flotilla.karmada.kinds import goes_by_itself
from flotilla.karmada.template_references import bare, digest, digests
from flotilla.karmada.versions import SUPPORTED, Version, known_version
from flotilla.karmada.waves.record import reference
from flotilla.karmada.waves.strategy import Strategy
from flotilla.kube.objects import Object, ObjectRef, ref_of

ROLLOUT = "rollout"
"""Among the inputs: the strategy in its plain form, and beside it the propagation policies of the workload and its
override policies (each as a list of the parts of an `ObjectRef`), the namespace and the name by which the record is
found, and the custom kinds that the workload defines and has objects of (apiVersion and kind)."""
ATTEMPT = "attempt"
"""Among the inputs of a Rollout: another one whenever clusters were held back anew, so that it is never left out."""


@dataclass(frozen=True)
class Subject:
    """A workload that changes in waves."""

    workload: str
    strategy: Strategy
    policies: tuple[ObjectRef, ...]
    """Its propagation policies, there or not: the dispatching is suspended by them."""
    overrides: tuple[ObjectRef, ...]
    templates: tuple[Object, ...]
    """Which templates it has, without what they hold."""
    placement: Object
    record: ObjectRef
    declaration: str
    seconds: float
    version: Version
    kinds: tuple[tuple[str, str], ...] = ()
    """Custom kinds that it has objects of, and defines itself: apiVersion and kind."""

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> Subject:
        """Return what a resource's inputs say.

        Args:
            props: workload, rollout, templates, placement, overrideRules, timeout, and karmadaVersion if it is known.
        """
        given = props[ROLLOUT]
        return cls(
            str(props["workload"]),
            Strategy.of(given),
            tuple(ObjectRef(*one) for one in given["policies"]),
            tuple(ObjectRef(*one) for one in given["overrides"]),
            tuple(bare(one) for one in props["templates"]),
            props["placement"],
            reference(*given["record"]),
            declaration_of(props),
            float(props["timeout"]),
            known_version(props.get("karmadaVersion")) or SUPPORTED.newest,
            tuple((str(one["apiVersion"]), str(one["kind"])) for one in given.get("kinds") or ()),
        )

    @property
    def objects(self) -> list[ObjectRef]:
        """Everything that says what clusters get: policies, override policies and templates."""
        return [*self.policies, *self.overrides, *(ref_of(one) for one in self.templates)]

    @property
    def sent(self) -> list[Object]:
        """The templates that go by a policy: Karmada carries Namespaces everywhere, whatever is suspended."""
        return [one for one in self.templates if not goes_by_itself(one)]


def declaration_of(props: Mapping[str, Any] | None) -> str:
    """Return a digest of what clusters get by some inputs; empty where there are none."""
    if not props:
        return ""
    templates = sorted((str(ref), one) for ref, one in digests(props["templates"]).items())
    return digest([templates, props["placement"], props["overrideRules"]])
