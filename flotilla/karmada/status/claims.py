"""Transfers the claim on a template from the policy of one workload to that of another.

A policy keeps its claims until it is deleted, and an `up` deletes policies last. Until then the policy of the
template's new workload couldn't place the template. So the claim is transferred to the new policy, as Karmada itself
does when a policy preempts another one (pkg/detector, ClaimPolicyForObject): the template's label and annotations name
the new policy, and Karmada updates the binding. The binding itself stays, and with it the copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from flotilla.karmada.objects import POLICY_API
from flotilla.karmada.selection import (
    POLICY_ID_LABELS,
    POLICY_NAME_ANNOTATIONS,
    claim_annotations,
    made_by_a_stack,
    selects,
)
from flotilla.kube.connection import ApiError, Connection
from flotilla.kube.objects import Object, ObjectRef, ref_of

_MANAGER = "flotilla-claims"


def transfer_claims(connection: Connection, templates: Iterable[Object], policies: tuple[str, ...]) -> list[ObjectRef]:
    """Transfer templates that another policy made by a stack has claimed to the policy declared for them.

    A policy loses a claim only if a stack has made it and it selects the template by name. No other stack declares the
    template, so such a policy belongs to another workload of this stack, or to the same workload under its former name.
    Policies that no stack made keep their claims.

    Args:
        connection: a connection to the control plane.
        templates: the workload's templates, as they were just read.
        policies: names of the workload's policies.

    Returns:
        The templates whose claim was transferred.

    Raises:
        ClusterError: the control plane could not be asked.
    """
    return [ref_of(template) for template in templates if _transfer(connection, template, policies)]


def _transfer(connection: Connection, template: Object, policies: tuple[str, ...]) -> bool:
    ref = ref_of(template)
    if template["metadata"].get("deletionTimestamp"):
        return False
    kind = "PropagationPolicy" if ref.namespace else "ClusterPropagationPolicy"
    current = (template["metadata"].get("annotations") or {}).get(POLICY_NAME_ANNOTATIONS[kind])
    if not current or current in policies:
        return False
    theirs = connection.find(ObjectRef(POLICY_API, kind, str(current), ref.namespace))
    if theirs is None or not _names(theirs, template) or not made_by_a_stack(theirs):
        return False
    for name in policies:
        ours = connection.find(ObjectRef(POLICY_API, kind, name, ref.namespace))
        if ours is not None and selects(ours, template) and _identity(ours):
            return _claim(connection, ref, template, ours)
    return False


def _claim(connection: Connection, ref: ObjectRef, template: Object, policy: Object) -> bool:
    body = {
        "metadata": {
            "resourceVersion": template["metadata"]["resourceVersion"],
            "labels": {POLICY_ID_LABELS[policy["kind"]]: _identity(policy)},
            "annotations": claim_annotations(policy),
        }
    }
    try:
        connection.patch(ref, body, query={"fieldManager": _MANAGER})
    except ApiError as error:
        if error.status == HTTPStatus.CONFLICT:  # the template has changed meanwhile; the next look handles that
            return False
        raise
    return True


def _identity(policy: Object) -> str:
    """Return a policy's permanent ID; empty until Karmada's webhook has given it one."""
    return str((policy["metadata"].get("labels") or {}).get(POLICY_ID_LABELS[policy["kind"]]) or "")


def _names(policy: Object, template: Object) -> bool:
    """Return whether a policy selects a template by name, as the policies of workloads do."""
    named = [s for s in (policy.get("spec") or {}).get("resourceSelectors") or [] if s.get("name")]
    return selects({**policy, "spec": {"resourceSelectors": named}}, template)
