"""Layer three: what a member holds, against what Karmada sent it, and Karmada's own access to it."""

from __future__ import annotations

import base64
import copy
from typing import Any

from flotilla.drift.findings import Finding, Layer, Mend, changed
from flotilla.karmada.api import WORK_API
from flotilla.karmada.join import IMPERSONATOR, access_role
from flotilla.karmada.names import CLUSTER_NAMESPACE, execution_namespace
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, condition, differences, ref_of

_MANAGED = "karmada.io/managed=true"
_RETAIN_REPLICAS = "resourcetemplate.karmada.io/retain-replicas"
_RBAC = "rbac.authorization.k8s.io/v1"
_USUAL_KINDS = (
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "Ingress"),
)
_UNAUTHORIZED = 401


def sent_to(control_plane: Connection, member: str) -> list[Object]:
    """Return what Karmada sends to a member: the manifests of its applied Works that nobody suspended."""
    sent: list[Object] = []
    for work in control_plane.list(WORK_API, "Work", namespace=execution_namespace(member)):
        spec = work.get("spec") or {}
        applied = condition(work, "Applied")
        if spec.get("suspendDispatching") or work["metadata"].get("deletionTimestamp"):
            continue
        if applied is None or applied.get("status") != "True":
            continue  # the propagation layer says so, with the reason
        sent += (spec.get("workload") or {}).get("manifests") or []
    return sent


def compare_sent(connection: Connection, member: str, wanted: Object) -> list[Finding]:
    """Compare one object of a member with what was sent, for the fields that were sent."""
    live = connection.find(ref_of(wanted))
    if live is None:
        message = "was sent and is not there"
        return [Finding(Layer.MEMBERS, "copy-missing", member, str(ref_of(wanted)), message, mend=Mend.KARMADA)]
    return [
        changed(Layer.MEMBERS, "copy-changed", member, live, difference, Mend.KARMADA)
        for difference in differences(_asked(wanted, live), live)
    ]


def _asked(wanted: Object, live: Object) -> Object:
    """Return what Karmada keeps in place; replicas are the member's own where the template says so."""
    asked = {key: value for key, value in wanted.items() if key != "status"}
    if ((live.get("metadata") or {}).get("labels") or {}).get(_RETAIN_REPLICAS) == "true":
        asked = {**asked, "spec": {key: value for key, value in asked["spec"].items() if key != "replicas"}}
    return asked


def find_unwanted(connection: Connection, member: str, sent: list[Object]) -> list[Finding]:
    """Look for objects with Karmada's mark that nothing sends any more."""
    wanted = {ref_of(obj) for obj in sent}
    kinds = {(ref.api_version, ref.kind) for ref in wanted} | set(_USUAL_KINDS)
    found = []
    for api_version, kind in sorted(kinds):
        try:
            marked = connection.list(api_version, kind, labels=_MANAGED)
        except KindNotServed:
            continue
        for obj in marked:
            meta = obj["metadata"]
            ref = ObjectRef(api_version, kind, meta["name"], meta.get("namespace") or "")
            if ref not in wanted and not meta.get("deletionTimestamp"):
                message = "has Karmada's mark, and nothing sends it any more"
                found.append(Finding(Layer.MEMBERS, "copy-unwanted", member, str(ref), message, mend=Mend.HAND))
    return found


def check_access(control_plane: Connection, connection: Connection, kubeconfig: str, member: str) -> list[Finding]:
    """Try the credentials that Karmada holds, from here, against the endpoint that we know."""
    secret = ObjectRef("v1", "Secret", member, CLUSTER_NAMESPACE)
    held = control_plane.find(secret)
    if held is None:
        return []  # a declared object that isn't there: layer one says so
    token = base64.b64decode((held.get("data") or {}).get("token", "")).decode()
    as_karmada = Connection(_with_token(kubeconfig, token), name=connection.name, timeout=10.0)
    everything = {"verb": "*", "group": "*", "resource": "*"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": everything},
    }
    try:
        answer = as_karmada.create(review, field_manager="flotilla")
    except ApiError as error:
        if error.status != _UNAUTHORIZED:
            raise
        message = "the token that Karmada holds is refused by the member"
        return [Finding(Layer.MEMBERS, "token-refused", member, str(secret), message)]
    if (answer.get("status") or {}).get("allowed"):
        return []
    message = "the account that Karmada uses may not do everything there any more"
    return [Finding(Layer.MEMBERS, "rights-narrowed", member, f"ClusterRole {access_role(member)}", message)]


def _with_token(kubeconfig: str, token: str) -> Object:
    document = copy.deepcopy(kubeconfigs.select(kubeconfigs.load(kubeconfig)))
    document["users"][0]["user"] = {"token": token}
    return document


def find_wider_rights(connection: Connection, member: str, account: tuple[str, str]) -> list[Finding]:
    """Look for bindings that give the join's accounts more than the join did.

    Karmada itself binds the impersonator to a role of the impersonator's name.
    """
    namespace, controller = account
    expected = {controller: access_role(member), IMPERSONATOR: IMPERSONATOR}
    found = []
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in connection.list(_RBAC, kind):
            name = binding["metadata"]["name"]
            for subject in binding.get("subjects") or []:
                who = subject.get("name", "")
                if subject.get("kind") != "ServiceAccount" or subject.get("namespace") != namespace:
                    continue
                if who in expected and name != expected[who]:
                    found.append(_wider(member, kind, binding, who))
    return found


def _wider(member: str, kind: str, binding: dict[str, Any], who: str) -> Finding:
    meta = binding["metadata"]
    ref = ObjectRef(_RBAC, kind, meta["name"], meta.get("namespace") or "")
    message = f"gives {who} the rights of {binding['roleRef']['kind']} {binding['roleRef']['name']}"
    return Finding(
        Layer.MEMBERS,
        "rights-widened",
        member,
        str(ref),
        message,
        time=meta.get("creationTimestamp", ""),
        mend=Mend.HAND,
    )
