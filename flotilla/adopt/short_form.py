"""Turns policies into the short form of the stack file, if that declares exactly the same."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from flotilla.adopt.grouping import Group
from flotilla.adopt.overrides import Unreadable, override_keys
from flotilla.adopt.written import policy_as_written
from flotilla.karmada.kinds import DEFINITION, NAMESPACE, kind_of
from flotilla.karmada.propagation import declared_policy, override_policy, propagation_policy
from flotilla.karmada.versions import Version
from flotilla.kube.objects import Object
from flotilla.stack.from_policies import workload_keys
from flotilla.stack.specs import override_rules, propagation_spec
from flotilla.stack.workloads import Workload

Keys = dict[str, Any]

_DEFAULTS: Keys = {"priority": 0, "preemption": "Never", "conflictResolution": "Abort"}
_OVERRIDES = {"PropagationPolicy": "OverridePolicy", "ClusterPropagationPolicy": "ClusterOverridePolicy"}


def short_form(group: Group, templates: list[Object], version: Version | None) -> Keys | None:
    """Return `placement`, `overrides` and related keys; None where they would declare something else.

    The function builds the stack's declaration and compares it: the policies' names, selectors and all other fields.
    The stack declares two policies for each workload, so both must exist.

    Args:
        group: the policies.
        templates: the templates of the workload, in its order.
        version: Karmada's version; None where it isn't known.
    """
    if len(group.senders) != 1 or len(group.others) != 1:
        return None
    sender, override = group.senders[0], group.others[0]
    name, namespace = str(sender["metadata"]["name"]), sender["metadata"].get("namespace")
    same = (override["metadata"]["name"], override["metadata"].get("namespace")) == (name, namespace)
    if not same or override["kind"] != _OVERRIDES[sender["kind"]] or not _all_in(templates, namespace):
        return None
    spec: Object = _declared(sender, version).get("spec") or {}
    rules = (override.get("spec") or {}).get("overrideRules") or []
    reading = workload_keys(spec)
    try:
        overrides = override_keys(rules, container=name)
        keys = {key: value for key, value in reading.keys.items() if _DEFAULTS.get(key) != value}
        keys |= {"overrides": overrides} if overrides else {}
        workload = Workload.model_validate({"name": name, "manifests": ["adopted"], **keys})
    except (Unreadable, ValidationError):
        return None
    propagation = propagation_policy(
        name, namespace=namespace, templates=templates, spec=propagation_spec(workload, version)
    )
    overriding = override_policy(name, namespace=namespace, templates=templates, rules=override_rules(workload))
    return keys if _same(propagation, sender, version) and _same(overriding, override, version) else None


def _all_in(templates: list[Object], namespace: str | None) -> bool:
    """Return whether the stack would declare exactly one pair of policies for the templates.

    It declares none for namespaces, and a separate one for definitions if objects of their kinds follow.
    """
    if any(kind_of(one) in (NAMESPACE, DEFINITION) for one in templates):
        return False
    return all(one["metadata"].get("namespace") == namespace for one in templates)


def _declared(policy: Object, version: Version | None) -> Object:
    namespace = str(policy["metadata"].get("namespace") or "")
    return declared_policy(policy_as_written(policy), namespace=namespace, version=version)


def _same(made: Object, there: Object, version: Version | None) -> bool:
    return declared_policy(made, namespace="", version=version) == _declared(there, version)
