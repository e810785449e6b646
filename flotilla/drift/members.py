"""Layer three: what a member holds, against what Karmada sent it, and Karmada's own access to it."""

from __future__ import annotations

import base64
import copy
from collections.abc import Iterable
from typing import Any

from flotilla.drift.comparing import Comparing
from flotilla.drift.findings import Finding, Layer, Remedy, changed
from flotilla.karmada.joining.agent import DEPLOYMENT as AGENT
from flotilla.karmada.joining.join import IMPERSONATOR, access_role
from flotilla.karmada.names import CLUSTER_NAMESPACE
from flotilla.karmada.rendering.marks import MANAGED
from flotilla.karmada.rendering.replicas import owns_replicas
from flotilla.karmada.status.snapshot import Snapshot
from flotilla.kube import kubeconfig as kubeconfigs
from flotilla.kube.connection import ApiError, Connection, KindNotServed
from flotilla.kube.objects import Object, ObjectRef, is_true, ref_of

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
_KARMADAS = "karmada-"
_UNAUTHORIZED = 401
# What Kubernetes' own bindings give to every account (plugin/pkg/auth/authorizer/rbac/bootstrappolicy).
_FOR_EVERYBODY = frozenset(
    {
        "system:basic-user",
        "system:cluster-trust-bundle-discovery",
        "system:discovery",
        "system:public-info-viewer",
        "system:service-account-issuer-discovery",
    }
)


def sent_to(snapshot: Snapshot, member: str) -> list[Object]:
    """Return what Karmada sends to a member: the manifests of its applied Works that nobody suspended."""
    # Of those that are not applied the propagation layer says so, with the reason.
    works = [work for work in _works_to(snapshot, member) if is_true(work, "Applied")]
    return _manifests(work for work in works if not (work.get("spec") or {}).get("suspendDispatching"))


def carried_to(snapshot: Snapshot, member: str) -> list[Object]:
    """Return what a member has for a reason: the manifests of all its Works, also of those not sent or not applied.

    A suspended workload's copies stay as they are, and so do those of a Work whose change the member refuses.
    """
    return _manifests(_works_to(snapshot, member))


def _works_to(snapshot: Snapshot, member: str) -> list[Object]:
    return [work for work in snapshot.works_to(member) if not work["metadata"].get("deletionTimestamp")]


def _manifests(works: Iterable[Object]) -> list[Object]:
    return [one for work in works for one in ((work.get("spec") or {}).get("workload") or {}).get("manifests") or []]


def compare_sent(
    connection: Connection, member: str, wanted: Object, comparing: Comparing | None = None
) -> list[Finding]:
    """Compare one object of a member with what was sent, for the fields that were sent.

    `comparing` is this look's at the member.
    """
    live = connection.find(ref_of(wanted))
    if live is None:
        message = "was sent and is not there"
        return [Finding(Layer.MEMBERS, "copy-missing", member, str(ref_of(wanted)), message, remedy=Remedy.KARMADA)]
    return [
        changed(Layer.MEMBERS, "copy-changed", member, live, difference, Remedy.KARMADA)
        for difference in (comparing or Comparing(connection)).differences(Layer.MEMBERS, _asked(wanted), live)
    ]


def _asked(wanted: Object) -> Object:
    """Return what Karmada keeps in place; replicas are the member's own where the template says so."""
    asked = {key: value for key, value in wanted.items() if key != "status"}
    if owns_replicas(wanted):
        asked = {**asked, "spec": {key: value for key, value in asked["spec"].items() if key != "replicas"}}
    return asked


def find_unwanted(connection: Connection, member: str, carried: list[Object]) -> list[Finding]:
    """Look for objects with Karmada's mark that no Work carries (`carried_to`) any more."""
    wanted = {ref_of(obj) for obj in carried}
    kinds = {(ref.api_version, ref.kind) for ref in wanted} | set(_USUAL_KINDS)
    found = []
    for api_version, kind in sorted(kinds):
        try:
            marked = connection.list(api_version, kind, labels=f"{MANAGED}=true")
        except KindNotServed:
            continue
        for obj in marked:
            meta = obj["metadata"]
            ref = ObjectRef(api_version, kind, meta["name"], meta.get("namespace") or "")
            if ref not in wanted and not meta.get("deletionTimestamp") and not _of_a_join(ref, member):
                message = "has Karmada's mark, and nothing sends it any more"
                found.append(Finding(Layer.MEMBERS, "copy-unwanted", member, str(ref), message, remedy=Remedy.MANUAL))
    return found


def _of_a_join(ref: ObjectRef, member: str) -> bool:
    """Tell whether an object is one that a join makes: karmadactl 1.10 marks these as if Karmada had sent them.

    Karmada sends nothing into namespaces that begin so, nor such a namespace.
    """
    if ref.kind in ("ClusterRole", "ClusterRoleBinding"):
        return ref.name in (access_role(member), AGENT)
    return (ref.name if ref.kind == "Namespace" else ref.namespace).startswith(_KARMADAS)


def check_access(control_plane: Connection, connection: Connection, kubeconfig: str, member: str) -> list[Finding]:
    """Try the credentials that Karmada holds, from here, against the endpoint that we know."""
    secret = ObjectRef("v1", "Secret", member, CLUSTER_NAMESPACE)
    held = control_plane.find(secret)
    if held is None:
        return []  # a declared object that isn't there: layer one says so
    token = _token(held)
    if not token:
        message = "has no token that can be sent"
        return [Finding(Layer.MEMBERS, "token-refused", member, str(secret), message)]
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


def _token(secret: Object) -> str:
    """Return a Secret's token as Karmada would send it; empty where it holds none that a header may have."""
    try:
        token = base64.b64decode(str((secret.get("data") or {}).get("token") or ""), validate=True).decode("ascii")
    except ValueError:
        return ""
    return token.strip() if token.strip().isprintable() else ""


def _with_token(kubeconfig: str, token: str) -> Object:
    document = copy.deepcopy(kubeconfigs.select(kubeconfigs.load(kubeconfig)))
    document["users"][0]["user"] = {"token": token}
    return document


def find_wider_rights(connection: Connection, member: str, account: tuple[str, str]) -> list[Finding]:
    """Look for bindings that give the join's accounts more than the join did, directly or through their groups.

    Two ClusterRoleBindings are expected: the join's own, and the one by which Karmada binds the impersonator to a role
    of the impersonator's name. Karmada also makes RoleBindings and ClusterRoleBindings for people who come through its
    proxy; none of those names the accounts. Kubernetes' own bindings for every account are as every cluster has them.
    """
    namespace, controller = account
    expected = {
        ("ClusterRoleBinding", access_role(member), "ClusterRole", access_role(member), controller),
        ("ClusterRoleBinding", IMPERSONATOR, "ClusterRole", IMPERSONATOR, IMPERSONATOR),
    }
    found = []
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in connection.list(_RBAC, kind):
            role = binding.get("roleRef") or {}
            for who in _meant(binding, namespace, (controller, IMPERSONATOR)):
                given = (kind, binding["metadata"]["name"], role.get("kind"), role.get("name"), who)
                if given not in expected and not _everywhere(binding):
                    found.append(_wider(member, kind, binding, who))
    return found


def _meant(binding: Object, namespace: str, accounts: tuple[str, ...]) -> list[str]:
    """Return which of the accounts a binding reaches, and the groups by which it reaches both."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    users = {f"system:serviceaccount:{namespace}:{name}": name for name in accounts}
    within = binding["metadata"].get("namespace") or ""
    found = []
    for subject in binding.get("subjects") or []:
        kind, name = subject.get("kind"), str(subject.get("name") or "")
        if kind == "ServiceAccount" and name in accounts and (subject.get("namespace") or within) == namespace:
            found.append(name)
        elif kind == "User" and name in users:
            found.append(users[name])
        elif kind == "Group" and name in groups:
            found.append(f"group {name}")
    return list(dict.fromkeys(found))


def _everywhere(binding: Object) -> bool:
    """Tell whether a binding is one that the API server itself makes in every cluster, with the role of then."""
    meta, role = binding["metadata"], (binding.get("roleRef") or {}).get("name")
    bootstrapped = (meta.get("labels") or {}).get("kubernetes.io/bootstrapping") == "rbac-defaults"
    return bootstrapped and meta["name"] == role and role in _FOR_EVERYBODY


def _wider(member: str, kind: str, binding: dict[str, Any], who: str) -> Finding:
    meta = binding["metadata"]
    ref = ObjectRef(_RBAC, kind, meta["name"], meta.get("namespace") or "")
    role = binding.get("roleRef") or {}
    message = f"gives {who} the rights of {role.get('kind')} {role.get('name')}"
    return Finding(
        Layer.MEMBERS,
        "rights-widened",
        member,
        str(ref),
        message,
        time=meta.get("creationTimestamp", ""),
        remedy=Remedy.MANUAL,
    )
