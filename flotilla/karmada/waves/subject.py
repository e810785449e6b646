"""A workload that changes in waves, read from the inputs of its resources Hold and Rollout."""

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
"""A key of the inputs. Its value has the strategy in its plain form, and in addition:

- the workload's propagation policies and override policies (each as a list of the parts of an `ObjectRef`)
- the namespace and the name of the record
- the custom kinds that the workload defines and has objects of (apiVersion and kind)"""
ATTEMPT = "attempt"
"""A key of a Rollout's inputs: a new value whenever clusters were held back again, so that the Rollout always runs."""


@dataclass(frozen=True)
class Subject:
    """A workload that changes in waves."""

    workload: str
    strategy: Strategy
    policies: tuple[ObjectRef, ...]
    """Its propagation policies, existing or not: they suspend dispatching."""
    overrides: tuple[ObjectRef, ...]
    templates: tuple[Object, ...]
    """The references of its templates, without their content."""
    placement: Object
    record: ObjectRef
    declaration: str
    seconds: float
    version: Version
    kinds: tuple[tuple[str, str], ...] = ()
    """Custom kinds that it defines and has objects of: apiVersion and kind."""

    @classmethod
    def of(cls, props: Mapping[str, Any]) -> Subject:
        """Return the workload for a resource's inputs.

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
        """Everything that determines what clusters get: policies, override policies and templates."""
        return [*self.policies, *self.overrides, *(ref_of(one) for one in self.templates)]

    @property
    def sent(self) -> list[Object]:
        """The templates that are sent by a policy: Karmada sends Namespaces everywhere, regardless of suspensions."""
        return [one for one in self.templates if not goes_by_itself(one)]


def declaration_of(props: Mapping[str, Any] | None) -> str:
    """Return a digest of what clusters get according to some inputs; empty where there are none."""
    if not props:
        return ""
    templates = sorted((str(ref), one) for ref, one in digests(props["templates"]).items())
    return digest([templates, props["placement"], props["overrideRules"]])
