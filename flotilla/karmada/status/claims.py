"""Transfers the claim on a template from the policy of one workload to that of another.

A policy keeps what it has claimed until it is deleted, which is the last step of an `up`: until then the policy of the
workload that the template belongs to now could not place it otherwise. So the claim is transferred to it, as Karmada
itself does when a policy preempts another one (pkg/detector, ClaimPolicyForObject): the template's label and
annotations name the new policy, and Karmada brings the binding in line. The binding stays, and with it the copies.
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

    Only a policy that a stack has made and that selects the template by its name gives it up: no stack but ours
    declares the template, so that this is another workload's, or a workload's former name. Policies of anybody else
    keep what they have claimed.

    Args:
        connection: to the control plane.
        templates: what the workload declares, as it was read a moment ago.
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
    holder = (template["metadata"].get("annotations") or {}).get(POLICY_NAME_ANNOTATIONS[kind])
    if not holder or holder in policies:
        return False
    theirs = connection.find(ObjectRef(POLICY_API, kind, str(holder), ref.namespace))
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
        if error.status == HTTPStatus.CONFLICT:  # it has changed since; the next look finds out how
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
